import { describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { catalog } from '../../catalog/catalog.js';
import type { StoredEvent, View } from '../../catalog/envelope.js';
import { formatPosition, logStart, type Position } from '../../position.js';
import { partitionOf } from '../partition-of.js';
import { sizeOf } from './record.js';
import {
  batchesOf,
  consumedThrough,
  isShort,
  laggingPartitions,
  raised,
  repartitioned,
  rewound,
  type RelayState,
} from './relay.rules.js';

const view: View = { mode: 'full', publicUrl: 'http://hub' };
const at = (seq: number): Position => ({ generation: 1, xactId: '7', seq: String(seq) });
const practiceOf = Array.from({ length: 40 }, () => uuidv7());

/** A practice whose events lie in `partition` of `count`. */
const practiceIn = (partition: number, count: number) =>
  practiceOf.find((practice) => partitionOf(practice, count) === partition)!;

function eventAt(seq: number, practiceId: string, characters = 10): StoredEvent {
  const data = { ...catalog['patient.created'].example, givenName: 'x'.repeat(characters) };
  return {
    id: uuidv7(),
    type: 'patient.created',
    typeVersion: 1,
    position: formatPosition(at(seq)),
    practiceId,
    source: `/practices/${practiceId}`,
    subject: 'patients/1',
    subjectVersion: 1,
    time: new Date(0),
    actor: 'operator',
    correlationId: 'c',
    causationId: null,
    traceparent: null,
    data,
  };
}

function stateOf(
  cursor: number,
  ...published: [position: number, ackedOffset: number][]
): RelayState {
  return {
    topic: 't',
    cursor: at(cursor),
    lap: 3,
    published: published.map(([seq, ackedOffset]) => ({ position: at(seq), ackedOffset })),
  };
}

const cursor = (group: string, partition: number, seq: number) => ({
  group,
  partition,
  position: at(seq),
});

describe('the requests for a page of the log', () => {
  it('chain the records of each partition, from what it had last', () => {
    const [zero, one] = [practiceIn(0, 2), practiceIn(1, 2)];
    const state = stateOf(10, [9, 0], [4, 0]);
    const events = [11, 12, 13].map((seq) => eventAt(seq, seq === 12 ? one : zero));
    const [batch, ...rest] = [...batchesOf(state, events, view)];
    expect(rest).toEqual([]);
    expect(
      batch!.messages.map(({ partition, headers }) => [
        partition,
        headers!.hub_previous,
        headers!.hub_position,
        headers!.hub_lap,
      ]),
    ).toEqual([
      [0, '1.7.9', '1.7.11', '3'],
      [1, '1.7.4', '1.7.12', '3'],
      [0, '1.7.11', '1.7.13', '3'],
    ]);
    expect(batch!.through).toEqual(at(13));
    expect(batch!.published).toEqual(
      new Map([
        [0, at(13)],
        [1, at(12)],
      ]),
    );
  });

  it('leave out what a partition has already, and still move the cursor over it', () => {
    const state = stateOf(1, [5, -1]);
    const events = [2, 3, 5].map((seq) => eventAt(seq, practiceOf[0]!));
    const [batch] = [...batchesOf(state, events, view)];
    expect(batch).toMatchObject({ messages: [], through: at(5) });
    expect([...batchesOf(state, [], view)]).toEqual([]);
  });

  it('stay below what a broker takes for one partition, and keep the order', () => {
    const state = stateOf(0, [0, -1]);
    const events = Array.from({ length: 12 }, (_, i) => eventAt(i + 1, practiceOf[0]!, 250_000));
    const batches = [...batchesOf(state, events, view)];
    for (const { messages } of batches) {
      expect(messages.map(sizeOf).reduce((a, b) => a + b)).toBeLessThan(950_000);
    }
    expect(batches.map(({ messages }) => messages.length)).toEqual([3, 3, 3, 3]);
    expect(batches.map(({ through }) => through)).toEqual([at(3), at(6), at(9), at(12)]);
    expect(batches[1]!.messages[0]!.headers!.hub_previous).toBe('1.7.3');
  });

  it('stay small over all partitions too', () => {
    const count = 8;
    const state = stateOf(0, ...Array.from({ length: count }, (): [number, number] => [0, -1]));
    const events = Array.from({ length: 40 }, (_, i) => {
      return eventAt(i + 1, practiceIn(i % count, count), 250_000);
    });
    for (const { messages } of batchesOf(state, events, view)) {
      expect(messages.map(sizeOf).reduce((a, b) => a + b)).toBeLessThan(4_100_000);
    }
  });
});

describe('which partitions lag', () => {
  const state = stateOf(20, [10, 5], [15, 5], [0, -1]);

  it('is told by the slowest group', () => {
    const cursors = [
      cursor('a', 0, 10),
      cursor('b', 0, 8),
      cursor('a', 1, 15),
      cursor('b', 1, 20),
      cursor('a', 2, 0),
      cursor('b', 2, 0),
    ];
    expect(laggingPartitions(state, cursors)).toEqual(new Map([[0, at(8)]]));
    expect(laggingPartitions(state, cursors, ['a'])).toEqual(new Map());
    expect(consumedThrough(state, cursors, ['a'])).toEqual(at(20));
    expect(consumedThrough(state, cursors, ['a', 'b'])).toEqual(at(8));
  });

  it('counts a group without a cursor as one that has consumed nothing', () => {
    const lagging = laggingPartitions(stateOf(20, [10, 5], [15, 5]), [cursor('a', 0, 10)]);
    expect(lagging).toEqual(new Map([[1, logStart]]));
    expect(laggingPartitions(state, [])).toEqual(new Map());
  });
});

describe('a topic is short of records', () => {
  const state = stateOf(20, [10, 5], [15, 7]);
  const through = [cursor('a', 0, 10), cursor('a', 1, 15)];
  const behind = [cursor('a', 0, 10), cursor('a', 1, 12)];
  const standing = (low: number, high: number, committed: number) => ({
    extents: [
      { low: 0, high: 6 },
      { low, high },
    ],
    committed: new Map([['a', [6, committed]]]),
  });

  it.each([
    [
      'never when it has what was acknowledged and everybody is through',
      through,
      standing(0, 8, 8),
      false,
    ],
    ['when it ends below what was acknowledged', through, standing(0, 7, 7), true],
    ['not when a group simply has more to read', behind, standing(0, 8, 7), false],
    [
      'not when its own retention has dropped what everybody had',
      through,
      standing(8, 8, 8),
      false,
    ],
    ['when its own retention has dropped what a group lacks', behind, standing(7, 8, 6), true],
    ['when nothing is left for a group that lacks something', behind, standing(8, 8, -1), true],
    ['when a group has read to the end and still lacks something', behind, standing(0, 8, 8), true],
    ['not when a group has yet to begin', behind, standing(3, 8, -1), false],
  ])('%s', (_, cursors, topic, expected) => {
    expect(isShort(state, topic, cursors)).toBe(expected);
  });
});

describe('the relay set back', () => {
  it('begins with the slowest consumer, and goes over what the others have', () => {
    const state = stateOf(20, [10, 5], [15, 7]);
    const cursors = [cursor('a', 0, 10), cursor('a', 1, 3), cursor('b', 0, 10), cursor('b', 1, 9)];
    expect(rewound(state, cursors)).toEqual({ ...stateOf(3, [10, -1], [3, -1]), lap: 4 });
  });

  it('stays where it is when nobody lacks anything', () => {
    const state = stateOf(20, [10, 5]);
    expect(rewound(state, [cursor('a', 0, 11)])).toEqual({ ...stateOf(20, [10, -1]), lap: 4 });
  });
});

describe('the relay after', () => {
  it('a time on the other bus goes on behind what was consumed there', () => {
    const state = stateOf(20, [10, 5], [15, 7]);
    expect(raised(state, at(30))).toEqual(stateOf(30, [30, 5], [30, 7]));
    expect(raised(state, at(12))).toEqual(stateOf(20, [12, 5], [15, 7]));
  });

  it('a change of the number of partitions begins every chain where it stands', () => {
    const state = stateOf(20, [10, 5]);
    expect(repartitioned(state, 3)).toEqual(stateOf(20, [20, 5], [20, -1], [20, -1]));
  });
});
