import type { Message } from 'kafkajs';
import type { StoredEvent, View } from '../../catalog/envelope.js';
import {
  comparePositions,
  logStart,
  lowest,
  parsePosition,
  type Position,
} from '../../position.js';
import type { Cursor } from '../cursors.js';
import { keyOf, partitionOf } from '../partition-of.js';
import { sizeOf, toRecord } from './record.js';
import type { TopicStanding } from './topic.js';

/** What a partition has got so far. */
export interface Published {
  /** Its last event at or below the relay's cursor, or a position between that and the cursor. */
  position: Position;
  /** -1 where nothing was acknowledged since the topic was last found short of records. */
  ackedOffset: number;
}

export interface RelayState {
  topic: string;
  /** Everything at or below is in the topic. */
  cursor: Position;
  lap: number;
  /** One for each partition in force. */
  published: Published[];
}

/** Records that go out in one request, and what is true once it is acknowledged. */
export interface RelayBatch {
  messages: Message[];
  through: Position;
  published: Map<number, Position>;
}

/**
 * The client does not split a request: a broker refuses more than 1 MB for one partition (message.max.bytes), and a
 * request has to pass within a fraction of the lease.
 */
const mostBytesOfPartition = 900_000;
const mostBytes = 4_000_000;

/** Cuts a page of the log into requests. Events that their partition has already are left out. */
export function* batchesOf(
  state: RelayState,
  events: readonly StoredEvent[],
  view: View,
): Generator<RelayBatch> {
  const last = new Map(state.published.map(({ position }, partition) => [partition, position]));
  let batch = new Batch();
  let through: Position | undefined;
  for (const event of events) {
    const position = parsePosition(event.position)!;
    const key = keyOf(event);
    const partition = partitionOf(key, state.published.length);
    const previous = last.get(partition)!;
    if (comparePositions(position, previous) > 0) {
      const placing = { key, partition, previous, lap: state.lap };
      const message = toRecord(event, view, placing);
      const size = sizeOf(message);
      if (!batch.hasRoomFor(message, size)) {
        yield { ...batch, through: through! };
        batch = new Batch();
      }
      batch.add(message, size, position);
      last.set(partition, position);
    }
    through = position;
  }
  if (through) yield { ...batch, through };
}

class Batch {
  readonly messages: Message[] = [];
  readonly published = new Map<number, Position>();
  private bytes = 0;
  private readonly bytesOf = new Map<number, number>();

  hasRoomFor(message: Message, size: number): boolean {
    const ofPartition = this.bytesOf.get(message.partition!) ?? 0;
    return (
      this.messages.length === 0 ||
      (this.bytes + size <= mostBytes && ofPartition + size <= mostBytesOfPartition)
    );
  }

  add(message: Message, size: number, position: Position): void {
    const partition = message.partition!;
    this.messages.push(message);
    this.published.set(partition, position);
    this.bytes += size;
    this.bytesOf.set(partition, (this.bytesOf.get(partition) ?? 0) + size);
  }
}

const highest = (a: Position, b: Position) => (comparePositions(a, b) < 0 ? b : a);

/** How far every one of `groups` has consumed a partition; one without a cursor has consumed nothing. */
function consumedBy(
  groups: readonly string[],
  cursors: readonly Cursor[],
  partition: number,
): Position {
  const reached = groups.map(
    (group) =>
      cursors.find((cursor) => cursor.group === group && cursor.partition === partition)
        ?.position ?? logStart,
  );
  return lowest(reached);
}

/** Partitions that hold published events which some group has not consumed, with where the slowest one stands. */
export function laggingPartitions(
  { published }: RelayState,
  cursors: readonly Cursor[],
  groups: readonly string[] = groupsOf(cursors),
): Map<number, Position> {
  const lagging = new Map<number, Position>();
  if (groups.length === 0) return lagging;
  published.forEach(({ position }, partition) => {
    const consumed = consumedBy(groups, cursors, partition);
    if (comparePositions(consumed, position) < 0) lagging.set(partition, consumed);
  });
  return lagging;
}

export function groupsOf(cursors: readonly Cursor[]): string[] {
  return [...new Set(cursors.map(({ group }) => group))];
}

/**
 * Whether the topic lacks records that it was given or that a group still needs. A topic that was made anew, or that
 * lost its end with a broker, ends below what it acknowledged; one that lost its beginning to its own retention, or
 * whose readers a restored database has set back, has nothing more for a group that is not through yet.
 */
export function isShort(
  state: RelayState,
  { extents, committed }: TopicStanding,
  cursors: readonly Cursor[],
): boolean {
  const lacksEnd = state.published.some(
    ({ ackedOffset }, partition) => (extents[partition]?.high ?? 0) <= ackedOffset,
  );
  const isStuck = [...committed].some(([group, offsets]) =>
    [...laggingPartitions(state, cursors, [group]).keys()].some((partition) => {
      const { low, high } = extents[partition]!;
      const next = offsets[partition] ?? -1;
      return low === high || next >= high || (next >= 0 && next < low);
    }),
  );
  return lacksEnd || isStuck;
}

/**
 * The state from which everything is published again that a group still lacks: the cursor goes back to the slowest
 * consumer, and what a partition's consumers all have is left out by `batchesOf`.
 */
export function rewound(state: RelayState, cursors: readonly Cursor[]): RelayState {
  const lagging = laggingPartitions(state, cursors);
  return {
    ...state,
    lap: state.lap + 1,
    cursor: lowest([state.cursor, ...lagging.values()]),
    published: state.published.map(({ position }, partition) => ({
      position: lagging.get(partition) ?? position,
      ackedOffset: -1,
    })),
  };
}

/**
 * The state after a time on the other bus: what every group has consumed there need not go into the topic. A group
 * that lacks it all the same (a new one) finds the gap.
 */
export function raised(state: RelayState, consumed: Position): RelayState {
  return {
    ...state,
    cursor: highest(state.cursor, consumed),
    published: state.published.map(({ position, ackedOffset }) => ({
      position: highest(position, consumed),
      ackedOffset,
    })),
  };
}

/** Whether the relay has reached again everything that any partition has got: it has, unless it was set back. */
export function isBack({ cursor, published }: RelayState): boolean {
  return published.every(({ position }) => comparePositions(position, cursor) <= 0);
}

/**
 * The state with another number of partitions. Only where nothing lags and the relay is back from any rewind: a
 * practice then moves to another partition with all that came before consumed, and every cursor (and every chain)
 * begins at the relay's.
 */
export function repartitioned(state: RelayState, partitions: number): RelayState {
  return {
    ...state,
    published: Array.from({ length: partitions }, (_, partition) => ({
      position: state.cursor,
      ackedOffset: state.published[partition]?.ackedOffset ?? -1,
    })),
  };
}

/** Retention may drop events at or below this position. */
export function consumedThrough(
  state: RelayState,
  cursors: readonly Cursor[],
  groups: readonly string[],
): Position {
  return lowest([state.cursor, ...laggingPartitions(state, cursors, groups).values()]);
}
