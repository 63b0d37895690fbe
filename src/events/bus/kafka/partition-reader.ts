import type { KafkaMessage } from 'kafkajs';
import type { EventHeader, EventLog } from '../../log/event-log.js';
import { comparePositions, logStart, type Position } from '../../position.js';
import type { Logger } from '../../../platform/logger.js';
import { consume } from '../consume.js';
import type { Cursors } from '../cursors.js';
import type { BatchHandler } from '../event-bus.js';
import { keyOf, partitionOf } from '../partition-of.js';
import { headOf, type RecordHead } from './record.js';
import type { RelayStore } from './relay-store.js';

interface Followers {
  after: Position;
  events: EventHeader[];
  /** The first record that does not follow. */
  gap?: RecordHead;
}

/**
 * Turns what a group fetches from the partitions it was assigned into batches of its handler: each event once and in
 * order, however often and in whatever order the relay's requests have reached the topic.
 */
export class PartitionReader {
  private readonly reached = new Map<number, Position>();
  private partitions?: number;

  constructor(
    private readonly group: string,
    private readonly handler: BatchHandler,
    private readonly log: EventLog,
    private readonly cursors: Cursors,
    private readonly store: RelayStore,
    private readonly logger: Logger,
  ) {}

  /** Where the group stands may have changed behind this reader's back; without an argument in every partition. */
  forget(partition?: number): void {
    if (partition === undefined) this.reached.clear();
    else this.reached.delete(partition);
  }

  /**
   * Handles records of one partition in the order of their offsets; once it resolves they need not be fetched again.
   * @throws what `consume` throws, and database errors.
   */
  async handle(partition: number, messages: readonly KafkaMessage[]): Promise<void> {
    const heads = this.headsOf(partition, messages);
    const after = this.reached.get(partition) ?? (await this.load(partition));
    let follow = await this.followersOf(partition, after, heads);
    if (follow.gap) {
      // A cursor that was raised meanwhile may lie behind the gap.
      const now = await this.load(partition);
      if (comparePositions(now, after) !== 0)
        follow = await this.followersOf(partition, now, heads);
      if (follow.gap) await this.reportGap(partition, follow.gap);
    }
    const { events } = follow;
    const through = events.at(-1)?.position;
    if (!through) return;
    const stretch = {
      group: this.group,
      bus: 'kafka',
      partition,
      after: follow.after,
      through,
    } as const;
    await consume({ ...stretch, events }, this.handler);
    this.reached.set(partition, through);
  }

  private headsOf(partition: number, messages: readonly KafkaMessage[]): RecordHead[] {
    const heads: RecordHead[] = [];
    let skipped = 0;
    for (const message of messages) {
      const head = headOf(message);
      if (head) heads.push(head);
      else skipped += 1;
    }
    if (skipped > 0) {
      const { offset } = messages.find((message) => !headOf(message))!;
      const fields = { group: this.group, partition, skipped, firstOffset: offset };
      this.logger.warn(fields, "skipped records that are not the hub's");
    }
    return heads;
  }

  /**
   * The events that follow on `after` without a gap. A record whose predecessor the group has not had is left out,
   * with all that hang on it: the topic has lost what lies between, and the relay publishes it again.
   */
  private async followersOf(
    partition: number,
    after: Position,
    heads: readonly RecordHead[],
  ): Promise<Followers> {
    const fresh = heads.filter(({ position }) => comparePositions(position, after) > 0);
    const known = fresh.length > 0 ? await this.known(partition, fresh) : new Map();
    const events: EventHeader[] = [];
    let at = after;
    for (const head of fresh) {
      if (comparePositions(head.position, at) <= 0) continue;
      if (comparePositions(head.previous, at) > 0) return { after, events, gap: head };
      const event = known.get(head.id);
      if (!event || comparePositions(event.position, head.position) !== 0) continue;
      events.push(event);
      at = head.position;
    }
    return { after, events };
  }

  /**
   * What the log says of the records' events. The log and not the record is believed: a topic outlives a restored
   * database and then holds events that never were, and others may be allowed to write to it too.
   */
  private async known(
    partition: number,
    heads: readonly RecordHead[],
  ): Promise<Map<string, EventHeader>> {
    const events = await this.log.headersOf(heads.map(({ id }) => id));
    if (!events.every((event) => this.isAtHome(event, partition))) {
      // Published under another count: has the count changed since this reader asked?
      this.partitions = await this.store.partitions();
    }
    const athome = events.filter((event) => this.isAtHome(event, partition));
    return new Map(athome.map((event) => [event.id, event]));
  }

  private isAtHome(event: EventHeader, partition: number): boolean {
    return (
      this.partitions !== undefined && partitionOf(keyOf(event), this.partitions) === partition
    );
  }

  private async reportGap(partition: number, { lap }: RecordHead): Promise<void> {
    if (await this.store.wantRewind(lap)) {
      const fields = { group: this.group, partition, lap };
      this.logger.warn(fields, 'records are missing from the topic, asked the relay for them');
    }
  }

  private async load(partition: number): Promise<Position> {
    const cursors = await this.cursors.all('kafka', this.group);
    const found = cursors.find((cursor) => cursor.partition === partition);
    if (!found) await this.cursors.raise(this.group, 'kafka', [partition], logStart);
    const position = found?.position ?? logStart;
    this.reached.set(partition, position);
    return position;
  }
}
