import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import type { Broker } from '../../scripts/kafka/broker.js';
import { effectsOf, openBusStage, type BusStage } from '../support/bus-stage.js';
import { eventually } from '../support/eventually.js';
import { describeWithKafka, startOwnBroker, uniqueTopic } from '../support/kafka.js';

/** A broker takes seconds to come back, and the hub up to five more to notice. */
const patienceMs = 60_000;
const timeoutMs = 180_000;

describeWithKafka(
  'a broker that is away',
  () => {
    let broker: Broker;
    let stage: BusStage;

    beforeAll(async () => {
      broker = await startOwnBroker();
    });
    afterAll(() => broker.stop());
    beforeEach(async () => {
      stage = await openBusStage({
        KAFKA_BROKERS: broker.brokers,
        HUB_KAFKA_TOPIC: uniqueTopic('outage'),
        HUB_KAFKA_PARTITIONS: '3',
      });
    });
    afterEach(() => stage.close());

    const effectIds = async () => (await stage.effects('a')).map(({ eventId }) => eventId);
    const loggedIds = async () => (await stage.logged()).map(({ eventId }) => eventId);

    it(
      'does not keep the hub from starting and taking facts, and gets them when it comes',
      async () => {
        await broker.kill();
        const hub = stage.startHub();
        await hub.bus.subscribe('a', effectsOf(hub));
        for (let i = 0; i < 10; i += 1) await stage.emit(uuidv7());
        await eventually(async () => {
          const { up, detail } = await hub.bus.health();
          expect(up).toBe(false);
          expect(detail).toMatch(/the relay cannot publish \(ECONNREFUSED\)/);
          expect(detail).toMatch(/the group a cannot consume \(ECONNREFUSED\)/);
        });
        await broker.restart();
        await eventually(async () => expect(await effectIds()).toHaveLength(10), patienceMs);
        expect((await effectIds()).toSorted()).toEqual((await loggedIds()).toSorted());
        await eventually(async () => expect(await hub.bus.health()).toMatchObject({ up: true }));
      },
      timeoutMs,
    );

    it(
      'gets ten facts that were made while it was stopped, each once',
      async () => {
        const hub = stage.startHub();
        await hub.bus.subscribe('a', effectsOf(hub));
        await stage.emit(uuidv7());
        await eventually(async () => expect(await effectIds()).toHaveLength(1), patienceMs);

        await broker.kill();
        for (let i = 0; i < 10; i += 1) await stage.emit(uuidv7());
        await eventually(async () => expect(await hub.bus.health()).toMatchObject({ up: false }));
        await broker.restart();
        await eventually(async () => expect(await effectIds()).toHaveLength(11), patienceMs);
        expect((await effectIds()).toSorted()).toEqual((await loggedIds()).toSorted());
      },
      timeoutMs,
    );

    it(
      'loses and repeats nothing when it is killed again and again under load',
      async () => {
        const hub = stage.startHub();
        await hub.bus.subscribe('a', effectsOf(hub));
        const practices = [uuidv7(), uuidv7(), uuidv7(), uuidv7()];
        const write = async (practice: string) => {
          for (let i = 0; i < 20; i += 1) await stage.emit(practice, 3);
        };
        await stage.emit(practices[0]!);
        for (let round = 0; round < 2; round += 1) {
          // Once it flows, in the middle of what it carries.
          const before = (await effectIds()).length;
          const flows = async () => expect((await effectIds()).length).toBeGreaterThan(before);
          const crash = eventually(flows, patienceMs)
            .then(() => broker.kill())
            .then(() => broker.restart());
          await Promise.all([crash, ...practices.map(write)]);
        }
        const logged = await stage.logged();
        const effects = await eventually(async () => {
          const found = await stage.effects('a');
          expect(found.length).toBeGreaterThanOrEqual(logged.length);
          return found;
        }, patienceMs);
        for (const practice of practices) {
          const of = (events: typeof logged) => events.filter((e) => e.practiceId === practice);
          expect(of(effects)).toEqual(of(logged));
        }
      },
      timeoutMs,
    );
  },
  { own: true },
);
