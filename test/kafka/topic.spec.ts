import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { ConfigResourceTypes } from 'kafkajs';
import { v7 as uuidv7 } from 'uuid';
import { partitionOf } from '../../src/events/bus/partition-of.js';
import { effectsOf, openBusStage, type BusHub, type BusStage } from '../support/bus-stage.js';
import { eventually } from '../support/eventually.js';
import { recordsOf, withAdmin } from '../support/kafka-admin.js';
import { describeWithKafka, kafkaBrokers, uniqueTopic } from '../support/kafka.js';

/** The relay looks at the topic every ten seconds. */
const patienceMs = 45_000;
const timeoutMs = 120_000;

describeWithKafka('the topic', () => {
  let stage: BusStage;
  let topic: string;

  beforeEach(async () => {
    topic = uniqueTopic('topic');
    stage = await openBusStage({
      KAFKA_BROKERS: kafkaBrokers(),
      HUB_KAFKA_TOPIC: topic,
      HUB_KAFKA_PARTITIONS: '3',
    });
  });
  afterEach(() => stage.close());

  async function start(group = 'a'): Promise<BusHub> {
    const hub = stage.startHub();
    await hub.bus.subscribe(group, effectsOf(hub));
    return hub;
  }

  async function expectAllOnce(practices: string[], group = 'a'): Promise<void> {
    for (const practice of practices) {
      const ids = async (events: ReturnType<BusStage['logged']>) =>
        (await events).filter((e) => e.practiceId === practice).map(({ eventId }) => eventId);
      await eventually(async () => {
        expect(await ids(stage.effects(group))).toEqual(await ids(stage.logged()));
      }, patienceMs);
    }
  }

  const countPartitions = () =>
    withAdmin(kafkaBrokers(), async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]!.partitions.length;
    });

  it('is made with the configured partitions and carries each event once, where its key belongs', async () => {
    await start();
    const practices = Array.from({ length: 5 }, () => uuidv7());
    for (const practice of practices) await stage.emit(practice, 2);
    await expectAllOnce(practices);
    expect(await countPartitions()).toBe(3);
    const records = await recordsOf(kafkaBrokers(), topic);
    expect(records).toHaveLength(10);
    for (const { key, partition, headers } of records) {
      expect(String(key)).toBe(String(headers!.ce_practiceid));
      expect(partition).toBe(partitionOf(String(key), 3));
    }
  });

  const retentionOf = (name: string) =>
    withAdmin(kafkaBrokers(), async (admin) => {
      const resource = { type: ConfigResourceTypes.TOPIC, name };
      const { resources } = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [resource],
      });
      const values = resources[0]!.configEntries.map(({ configName, configValue }) => [
        configName,
        configValue,
      ]);
      return Object.fromEntries(values) as Record<string, string>;
    });

  it('keeps nothing longer than the log, whoever made it, and what was set of it else', async () => {
    const days = (count: number) => String(count * 86_400_000);
    const first = await start();
    await eventually(
      async () => expect((await retentionOf(topic))['retention.ms']).toBe(days(30)),
      patienceMs,
    );
    // One hub at a time carries events to a topic.
    await first.close();
    for (const [given, kept] of [
      ['-1', days(30)],
      [days(3), days(3)],
    ] as const) {
      const name = uniqueTopic('given');
      const configEntries = [
        { name: 'retention.ms', value: given },
        { name: 'max.message.bytes', value: '2000000' },
      ];
      await withAdmin(kafkaBrokers(), (admin) =>
        admin.createTopics({
          waitForLeaders: false,
          topics: [{ topic: name, numPartitions: 3, configEntries }],
        }),
      );
      const hub = stage.startHub({ HUB_KAFKA_TOPIC: name });
      await hub.bus.subscribe('b', effectsOf(hub));
      await stage.emit(uuidv7());
      await eventually(
        async () => expect(await recordsOf(kafkaBrokers(), name)).not.toEqual([]),
        patienceMs,
      );
      expect(await retentionOf(name)).toMatchObject({
        'retention.ms': kept,
        'max.message.bytes': '2000000',
      });
      await hub.close();
    }
  });

  it('is published also where no group of a hub listens', async () => {
    const hub = stage.startHub();
    (hub.bus as unknown as { onApplicationBootstrap(): void }).onApplicationBootstrap();
    await stage.emit(uuidv7(), 2);
    await eventually(async () => expect(await recordsOf(kafkaBrokers(), topic)).toHaveLength(2));
  });

  it('keeps the partitions that somebody else has made it with', async () => {
    await withAdmin(kafkaBrokers(), (admin) =>
      admin.createTopics({ topics: [{ topic, numPartitions: 5 }], waitForLeaders: true }),
    );
    const practices = Array.from({ length: 8 }, () => uuidv7());
    await start();
    for (const practice of practices) await stage.emit(practice, 2);
    await expectAllOnce(practices);
    const records = await recordsOf(kafkaBrokers(), topic);
    const placed = records.every((r) => r.partition === partitionOf(String(r.key), 5));
    expect(placed).toBe(true);
  });

  it(
    'gets the partitions back that it lacks when it is made anew with fewer',
    async () => {
      const practices = Array.from({ length: 8 }, () => uuidv7());
      await start();
      for (const practice of practices) await stage.emit(practice);
      await expectAllOnce(practices);
      await withAdmin(kafkaBrokers(), async (admin) => {
        await admin.deleteTopics({ topics: [topic] });
        await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
      });
      for (const practice of practices) await stage.emit(practice, 2);
      await expectAllOnce(practices);
      expect(await countPartitions()).toBe(3);
    },
    timeoutMs,
  );

  it(
    'takes added partitions into use once all is consumed, and keeps each practice in order',
    async () => {
      const practices = Array.from({ length: 8 }, () => uuidv7());
      await start();
      for (const practice of practices) await stage.emit(practice, 2);
      await expectAllOnce(practices);
      await withAdmin(kafkaBrokers(), (admin) =>
        admin.createPartitions({ topicPartitions: [{ topic, count: 7 }] }),
      );
      await eventually(async () => {
        const { rows } = await stage.database.query('select partitions from relay_state');
        expect(rows[0].partitions).toBe(7);
      }, patienceMs);
      for (const practice of practices) await stage.emit(practice, 3);
      await expectAllOnce(practices);
      // To a group that begins now, what was published under the old count comes where the new one puts it.
      await start('new');
      await expectAllOnce(practices, 'new');
      await expectAllOnce(practices);
    },
    timeoutMs,
  );
});
