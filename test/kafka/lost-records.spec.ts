import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import type { EventBatch } from '../../src/events/bus/event-bus.js';
import { effectsOf, openBusStage, type BusHub, type BusStage } from '../support/bus-stage.js';
import { eventually } from '../support/eventually.js';
import { produce, recordsOf, withAdmin } from '../support/kafka-admin.js';
import { describeWithKafka, kafkaBrokers, uniqueTopic } from '../support/kafka.js';

/** The relay compares the topic with what it was given every ten seconds. */
const patienceMs = 45_000;
const timeoutMs = 120_000;

describeWithKafka('a topic that loses records', () => {
  let stage: BusStage;
  let topic: string;
  /** Closed, the group's handler fails as on a database that is away: what is published waits in the topic. */
  let isOpen: boolean;
  const practice = uuidv7();

  beforeEach(async () => {
    topic = uniqueTopic('lost');
    isOpen = true;
    stage = await openBusStage({
      KAFKA_BROKERS: kafkaBrokers(),
      HUB_KAFKA_TOPIC: topic,
      HUB_KAFKA_PARTITIONS: '1',
    });
  });
  afterEach(() => stage.close());

  function gate(): void {
    if (!isOpen) throw Object.assign(new Error('closed'), { syscall: 'a test' });
  }

  async function startConsuming(before: (batch: EventBatch) => void = gate): Promise<BusHub> {
    const hub = stage.startHub();
    await hub.bus.subscribe('a', effectsOf(hub, { before }));
    return hub;
  }

  const ids = async (events: Promise<{ eventId: string }[]>) =>
    (await events).map(({ eventId }) => eventId);

  /** Every event that the log holds, in its order, and none twice. */
  const expectAllOnce = () =>
    eventually(async () => {
      expect(await ids(stage.effects('a'))).toEqual(await ids(stage.logged()));
    }, patienceMs);

  const untilPublished = () =>
    eventually(async () => {
      const { rows } = await stage.database.query(`
        select count(*)::int as waiting from events as e, relay_state as r
        where (e.generation, e.xact_id, e.seq) > (r.generation, r.xact_id, r.seq)`);
      expect(rows[0].waiting).toBe(0);
    }, patienceMs);

  it(
    'is made again when somebody deletes it, with what a group still lacks',
    async () => {
      await startConsuming();
      await stage.emit(practice, 5);
      await expectAllOnce();
      isOpen = false;
      await stage.emit(practice, 5);
      await untilPublished();
      await withAdmin(kafkaBrokers(), (admin) => admin.deleteTopics({ topics: [topic] }));
      await stage.emit(practice, 5);
      isOpen = true;
      await expectAllOnce();
    },
    timeoutMs,
  );

  it(
    'is noticed when it is made anew and has grown longer than it was',
    async () => {
      await startConsuming();
      await stage.emit(practice, 5);
      await expectAllOnce();
      await withAdmin(kafkaBrokers(), async (admin) => {
        await admin.deleteTopics({ topics: [topic] });
        await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
      });
      // The consumer would read on at offset 5, and find the sixth of these.
      await stage.emit(practice, 20);
      await expectAllOnce();
      await stage.emit(practice, 3);
      await expectAllOnce();
    },
    timeoutMs,
  );

  it(
    'gets again what its own retention has dropped before a group had it',
    async () => {
      await startConsuming();
      await stage.emit(practice, 5);
      await expectAllOnce();
      isOpen = false;
      await stage.emit(practice, 5);
      await untilPublished();
      await withAdmin(kafkaBrokers(), async (admin) => {
        await admin.fetchTopicOffsets(topic);
        await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '10' }] });
      });
      isOpen = true;
      await expectAllOnce();
    },
    timeoutMs,
  );

  it(
    'shows the gap to its consumers when records are missing in the middle',
    async () => {
      const hub = await startConsuming();
      await stage.emit(practice, 5);
      await expectAllOnce();
      await hub.close();
      // As if the broker had acknowledged three records and dropped them, which an idempotent producer can bring about.
      await stage.emit(practice, 3);
      await stage.database.query(`
      with last as (select generation, xact_id, seq from events order by generation desc, xact_id desc, seq desc limit 1),
           moved as (update relay_state as r set generation = last.generation, xact_id = last.xact_id, seq = last.seq from last)
      update relay_partitions as p set generation = last.generation, xact_id = last.xact_id, seq = last.seq from last`);
      await stage.emit(practice, 2);
      await startConsuming();
      await expectAllOnce();
    },
    timeoutMs,
  );

  it(
    'gets again what a group lacks since the database was restored to an earlier state',
    async () => {
      const hub = await startConsuming();
      await stage.emit(practice, 5);
      await expectAllOnce();
      isOpen = false;
      await stage.emit(practice, 2);
      await untilPublished();
      await saveState();
      isOpen = true;
      await expectAllOnce();
      await hub.close();

      // The brokers believe that the group has had all seven.
      await restoreState();
      await startConsuming();
      await expectAllOnce();
      await stage.emit(practice, 3);
      await expectAllOnce();
    },
    timeoutMs,
  );

  it(
    'holds events that never were once the database was restored to an earlier state',
    async () => {
      const hub = await startConsuming();
      await stage.emit(practice, 5);
      await expectAllOnce();
      await saveState();
      isOpen = false;
      await stage.emit(practice, 4);
      await untilPublished();
      await hub.close();

      await restoreState();
      isOpen = true;
      await startConsuming();
      await stage.emit(practice, 3);
      await expectAllOnce();
      expect(await stage.effects('a')).toHaveLength(8);
      // The four that never were are still there; what the relay sent twice after the gap is one event all the same.
      const records = await recordsOf(kafkaBrokers(), topic);
      expect(new Set(records.map(({ headers }) => String(headers!.ce_id))).size).toBe(12);
    },
    timeoutMs,
  );

  it(
    "takes only the hub's own records for events",
    async () => {
      const handed: string[] = [];
      const before = ({ events }: EventBatch) => void handed.push(...events.map(({ id }) => id));
      await startConsuming(before);
      const [first] = await stage.emit(practice);
      await expectAllOnce();
      const [own] = await recordsOf(kafkaBrokers(), topic);
      const headers = own!.headers!;
      const [farAway, elsewhere] = ['9.9.9', `1.${'8'.repeat(18)}.1`];
      await produce(kafkaBrokers(), topic, [
        { partition: 0, key: 'foreign', value: 'not JSON' },
        { partition: 0, value: null, headers: { ...headers, ce_id: 'broken' } },
        { partition: 0, value: null, headers: { ...headers, hub_position: farAway } },
        {
          partition: 0,
          value: null,
          headers: { ...headers, ce_id: uuidv7(), hub_position: elsewhere },
        },
      ]);
      const [second] = await stage.emit(practice);
      await expectAllOnce();
      expect(handed).toEqual([first, second]);
    },
    timeoutMs,
  );

  /** What a dump holds; the log itself is cut back by hand, since it refuses changes. */
  async function saveState(): Promise<void> {
    for (const table of ['consumer_cursors', 'relay_state', 'relay_partitions', 'effects']) {
      await stage.database.query(`create table saved_${table} as table ${table}`);
    }
    await stage.database.query('create table saved_events as select id from events');
  }

  async function restoreState(): Promise<void> {
    await stage.database.query('delete from events where id not in (select id from saved_events)');
    for (const table of ['consumer_cursors', 'relay_state', 'relay_partitions']) {
      await stage.database.query(
        `delete from ${table}; insert into ${table} select * from saved_${table}`,
      );
    }
    await stage.database.query(`
      delete from effects where place not in (select place from saved_effects);
      update log_generations set system_identifier = -1`);
  }
});
