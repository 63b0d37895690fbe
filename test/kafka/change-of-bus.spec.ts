import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { partitionOf } from '../../src/events/bus/partition-of.js';
import type { EventBatch } from '../../src/events/bus/event-bus.js';
import { effectsOf, openBusStage, type BusHub, type BusStage } from '../support/bus-stage.js';
import { eventually } from '../support/eventually.js';
import { describeWithKafka, kafkaBrokers, uniqueTopic } from '../support/kafka.js';

const patienceMs = 40_000;
const partitions = 3;

describeWithKafka('changing the bus below a database', () => {
  let stage: BusStage;
  let kafka: Record<string, string>;
  const log = {};
  /** One practice for each partition. */
  const practices = Array.from({ length: partitions }, (_, partition) => {
    for (;;) {
      const practice = uuidv7();
      if (partitionOf(practice, partitions) === partition) return practice;
    }
  });

  beforeEach(async () => {
    stage = await openBusStage();
    kafka = {
      KAFKA_BROKERS: kafkaBrokers(),
      HUB_KAFKA_TOPIC: uniqueTopic('change'),
      HUB_KAFKA_PARTITIONS: String(partitions),
    };
  });
  afterEach(() => stage.close());

  /** @param isStuck batches that fail, as on a database that is away. */
  async function start(
    settings: Record<string, string>,
    group = 'a',
    isStuck: (batch: EventBatch) => boolean = () => false,
  ): Promise<BusHub> {
    const hub = stage.startHub(settings);
    const before = (batch: EventBatch) => {
      if (isStuck(batch)) throw Object.assign(new Error('stuck'), { syscall: 'a test' });
    };
    await hub.bus.subscribe(group, effectsOf(hub, { before }));
    return hub;
  }

  async function emitRound(): Promise<void> {
    for (const practice of practices) await stage.emit(practice, 4);
  }

  const ids = async (practice: string, events: ReturnType<BusStage['logged']>) =>
    (await events).filter((e) => e.practiceId === practice).map(({ eventId }) => eventId);

  async function expectAllOnce(group = 'a', of = practices): Promise<void> {
    for (const practice of of) {
      await eventually(async () => {
        const effects = await ids(practice, stage.effects(group));
        expect(effects).toEqual(await ids(practice, stage.logged()));
      }, patienceMs);
    }
  }

  it('from the log to Kafka and back loses and repeats nothing', async () => {
    for (const settings of [log, kafka, log, kafka, kafka, log]) {
      await emitRound();
      const hub = await start(settings);
      await emitRound();
      await expectAllOnce();
      await hub.close();
    }
  });

  it('leaves out on the log what the faster partitions brought, and brings what the slower ones had left', async () => {
    await emitRound();
    const hub = await start(kafka, 'a', ({ partition }) => partition === 1);
    await emitRound();
    await expectAllOnce('a', [practices[0]!, practices[2]!]);
    await hub.close();
    await start(log);
    await emitRound();
    await expectAllOnce();
  });

  it('leaves out on Kafka what the log brought, though it lies in the topic', async () => {
    const first = await start(kafka, 'a', ({ partition }) => partition === 2);
    await emitRound();
    await expectAllOnce('a', [practices[0]!, practices[1]!]);
    await eventually(async () => {
      const { rows } = await stage.database.query(`
        select count(*)::int as waiting from events as e, relay_state as r
        where (e.generation, e.xact_id, e.seq) > (r.generation, r.xact_id, r.seq)`);
      expect(rows[0].waiting).toBe(0);
    });
    await first.close();
    const second = await start(log);
    await expectAllOnce();
    await second.close();
    await start(kafka);
    await emitRound();
    await expectAllOnce();
  });

  it('brings a new group on Kafka also what was said in the times of the log', async () => {
    await emitRound();
    const hub = await start(log);
    await expectAllOnce();
    await hub.close();
    await start(kafka);
    await emitRound();
    await expectAllOnce();
    await start(kafka, 'new');
    await expectAllOnce('new');
    await expectAllOnce();
  });
});
