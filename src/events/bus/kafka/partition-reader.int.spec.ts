import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { KafkaMessage } from 'kafkajs';
import { v7 as uuidv7 } from 'uuid';
import {
  effectsOf,
  openBusStage,
  type BusHub,
  type BusStage,
} from '../../../../test/support/bus-stage.js';
import { eventually } from '../../../../test/support/eventually.js';
import { Logger } from '../../../platform/logger.js';
import type { StoredEvent } from '../../catalog/envelope.js';
import { logStart, parsePosition, type Position } from '../../position.js';
import { Cursors } from '../cursors.js';
import type { EventBatch } from '../event-bus.js';
import { keyOf, partitionOf } from '../partition-of.js';
import { PartitionReader } from './partition-reader.js';
import { toRecord } from './record.js';
import { RelayStore } from './relay-store.js';

const partitions = 2;
const view = { mode: 'thin', publicUrl: '' } as const;

describe('reading a partition', () => {
  let stage: BusStage;
  let hub: BusHub;
  let store: RelayStore;
  let cursors: Cursors;
  let reader: PartitionReader;
  let batches: EventBatch[];
  /** Five events of one practice, the partition they belong to, and their records, chained. */
  let events: StoredEvent[];
  let partition: number;
  let records: KafkaMessage[];

  beforeEach(async () => {
    stage = await openBusStage();
    hub = stage.startHub();
    store = new RelayStore(hub.pool);
    await store.found('t', partitions);
    cursors = new Cursors(hub.pool);
    batches = [];
    const handler = effectsOf(hub, { before: (batch) => void batches.push(batch) });
    reader = new PartitionReader('a', handler, hub.log, cursors, store, new Logger('silent'));
    await stage.emit(uuidv7(), 5);
    // A transaction of another spec, on the same server, may hold the horizon back.
    events = await eventually(async () => {
      const page = await hub.log.readEvents(logStart, 10);
      expect(page.events).toHaveLength(5);
      return page.events;
    });
    partition = partitionOf(keyOf(events[0]!), partitions);
    records = events.map((event, i) => recordOf(event, positionOf(i - 1)));
  });
  afterEach(() => stage.close());

  const positionOf = (i: number): Position =>
    i < 0 ? logStart : parsePosition(events[i]!.position)!;

  function recordOf(event: StoredEvent, previous: Position, lap = 1): KafkaMessage {
    const placing = { key: keyOf(event), partition: 0, previous, lap };
    const { headers, value } = toRecord(event, view, placing);
    return { headers, value, key: null, offset: '0' } as unknown as KafkaMessage;
  }

  const handled = async () => (await stage.effects('a')).map(({ eventId }) => eventId);
  const idsOf = (...places: number[]) => places.map((place) => events[place]!.id);
  const cursor = async () =>
    (await cursors.all('kafka', 'a')).find((c) => c.partition === partition);

  it('hands over what follows, with where the cursor was and goes', async () => {
    await reader.handle(partition, records.slice(0, 3));
    await reader.handle(partition, records.slice(3));
    expect(await handled()).toEqual(idsOf(0, 1, 2, 3, 4));
    expect(batches).toMatchObject([
      { bus: 'kafka', partition, after: logStart, through: positionOf(2) },
      { after: positionOf(2), through: positionOf(4) },
    ]);
    expect((await cursor())!.position).toEqual(positionOf(4));
  });

  it('drops what it has had, in whatever order the relay repeats it', async () => {
    const [a, b, c, d, e] = records as [
      KafkaMessage,
      KafkaMessage,
      KafkaMessage,
      KafkaMessage,
      KafkaMessage,
    ];
    await reader.handle(partition, [a, b, a, b, c]);
    await reader.handle(partition, [b, c, a]);
    await reader.handle(partition, [c, d, e, d]);
    expect(await handled()).toEqual(idsOf(0, 1, 2, 3, 4));
  });

  it('goes on where the group stands, not where this reader began', async () => {
    await cursors.raise('a', 'kafka', [partition], positionOf(2));
    await reader.handle(partition, records);
    expect(await handled()).toEqual(idsOf(3, 4));
  });

  it('stops before a gap, and has the relay publish again', async () => {
    await reader.handle(partition, [records[0]!, records[2]!, records[3]!]);
    await reader.handle(partition, [records[4]!]);
    expect(await handled()).toEqual(idsOf(0));
    expect((await cursor())!.position).toEqual(positionOf(0));
    expect(await store.rewindWanted()).toBe(true);
    const again = events.slice(1).map((event, i) => recordOf(event, positionOf(i), 2));
    await reader.handle(partition, again);
    expect(await handled()).toEqual(idsOf(0, 1, 2, 3, 4));
  });

  it('does not ask for what is on its way since an earlier gap', async () => {
    await store.takeOver('1');
    await store.replace('1', { ...(await store.load()), lap: 2 });
    await reader.handle(partition, [records[2]!]);
    expect(await store.rewindWanted()).toBe(false);
    expect(await handled()).toEqual([]);
  });

  it('takes no cursor that was raised behind its back for a gap', async () => {
    await reader.handle(partition, records.slice(0, 1));
    await cursors.raise('a', 'kafka', [partition], positionOf(3));
    await reader.handle(partition, records.slice(4));
    expect(await handled()).toEqual(idsOf(0, 4));
    expect(await store.rewindWanted()).toBe(false);
  });

  it('believes the log and not the record', async () => {
    const [ghost, forged] = [
      { ...events[1]!, id: uuidv7() },
      { ...events[0]!, position: '9.9.9' },
    ];
    const bogus = [recordOf(ghost, logStart), recordOf(forged, logStart)];
    await reader.handle(partition, bogus);
    expect(batches).toEqual([]);
    await reader.handle(partition, [...bogus, ...records]);
    expect(await handled()).toEqual(idsOf(0, 1, 2, 3, 4));
    expect(batches[0]!.events[0]).toMatchObject({ subject: events[0]!.subject, actor: 'operator' });
  });

  it('leaves out what lies in another partition than its key says', async () => {
    await reader.handle(1 - partition, records);
    expect(await handled()).toEqual([]);
  });

  it('goes by the number of partitions in force, also when it has just changed', async () => {
    await reader.handle(partition, records.slice(0, 1));
    await store.takeOver('1');
    const state = await store.load();
    const more = 50;
    const published = Array.from({ length: more }, () => ({
      position: positionOf(0),
      ackedOffset: -1,
    }));
    await store.replace('1', { ...state, published });
    const elsewhere = partitionOf(keyOf(events[0]!), more);
    await cursors.raise('a', 'kafka', [elsewhere], positionOf(0));
    reader.forget();
    await reader.handle(elsewhere, records.slice(1));
    expect(await handled()).toEqual(idsOf(0, 1, 2, 3, 4));
  });

  it("skips records that are not the hub's", async () => {
    const foreign = {
      key: null,
      value: Buffer.from('{'),
      headers: {},
      offset: '7',
    } as unknown as KafkaMessage;
    await reader.handle(partition, [foreign]);
    await reader.handle(partition, [records[0]!, foreign, records[1]!]);
    expect(await handled()).toEqual(idsOf(0, 1));
  });
});
