import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import {
  effectsOf,
  openBusStage,
  type BusStage,
  type Effect,
} from '../../../test/support/bus-stage.js';
import { eventually } from '../../../test/support/eventually.js';
import { UnhandleableEvent, type EventBatch } from './event-bus.js';

/** Longer than a consumer group of Kafka takes to share its partitions out anew. */
const patienceMs = 40_000;

/**
 * What every bus promises, on a real database. The settings choose the bus; they are asked for before each test, so
 * that each can have a topic of its own.
 */
export function describeEventBus(name: string, settings: () => Record<string, string>): void {
  describe(`the ${name} bus`, () => {
    let stage: BusStage;

    beforeEach(async () => {
      stage = await openBusStage(settings());
    });
    afterEach(() => stage.close());

    /** Each event of the log once, and in log order within each practice. */
    async function expectAllOnceInOrder(group: string): Promise<void> {
      const logged = await stage.logged();
      const effects = await eventually(async () => {
        const found = await stage.effects(group);
        expect(found.length).toBeGreaterThanOrEqual(logged.length);
        return found;
      }, patienceMs);
      expect(byPractice(effects)).toEqual(byPractice(logged));
    }

    it('brings every event to every group, in log order per practice', async () => {
      const hub = stage.startHub();
      const practices = [uuidv7(), uuidv7(), uuidv7()];
      await Promise.all(practices.map((practice) => stage.emit(practice, 20)));
      await hub.bus.subscribe('a', effectsOf(hub));
      await hub.bus.subscribe('b', effectsOf(hub));
      await Promise.all(practices.map((practice) => stage.emit(practice, 20)));
      await expectAllOnceInOrder('a');
      await expectAllOnceInOrder('b');
      expect(await hub.bus.health()).toMatchObject({ bus: hub.bus.kind, up: true });
    });

    it('begins at the start of the log for a new group, long after the events', async () => {
      const hub = stage.startHub();
      await hub.bus.subscribe('old', effectsOf(hub));
      await stage.emit(uuidv7(), 30);
      await expectAllOnceInOrder('old');
      await hub.bus.subscribe('new', effectsOf(hub));
      await expectAllOnceInOrder('new');
    });

    it('does not skip what commits late', async () => {
      const hub = stage.startHub();
      await hub.bus.subscribe('a', effectsOf(hub));
      const [late, early] = [uuidv7(), uuidv7()];
      let commit!: () => void;
      const mayCommit = new Promise<void>((resolve) => (commit = resolve));
      let written!: () => void;
      const isWritten = new Promise<void>((resolve) => (written = resolve));
      const lateOne = stage.transactions.run([late], async (tx) => {
        await stage.append(tx, late, uuidv7(), 1);
        written();
        await mayCommit;
      });
      await isWritten;
      await stage.emit(early);
      // A reader that takes what is committed has had its chance by now, and its cursor would be past the late one.
      const { reads } = hub.log;
      await eventually(() => expect(hub.log.reads).toBeGreaterThan(reads + 5));
      expect(await stage.effects('a')).toEqual([]);
      commit();
      await lateOne;
      await expectAllOnceInOrder('a');
    });

    it('never inverts what racing writers say about one subject', async () => {
      const hub = stage.startHub();
      await hub.bus.subscribe('a', effectsOf(hub));
      const [practice, subject] = [uuidv7(), uuidv7()];
      await stage.database.query(
        `create table counter (value int); insert into counter values (0); create table keys (key uuid);
         grant all on counter, keys to hub_api, hub_engine`,
      );
      const write = () =>
        stage.transactions.run([practice], async (tx) => {
          await tx.query('insert into keys values (gen_random_uuid())');
          const [rows] = await tx.query('update counter set value = value + 1 returning value');
          await stage.append(tx, practice, subject, rows[0].value);
        });
      const writer = async () => {
        for (let round = 0; round < 15; round += 1) await write();
      };
      await Promise.all(Array.from({ length: 6 }, writer));
      await expectAllOnceInOrder('a');
      const versions = (await stage.effects('a')).map(({ version }) => version);
      expect(versions).toEqual(Array.from({ length: 90 }, (_, i) => i + 1));
    });

    it('has no second effect when a consumer dies between its transaction and its acknowledgement', async () => {
      const hub = stage.startHub();
      let deaths = 0;
      const after = () => {
        deaths += 1;
        throw new Error('died');
      };
      await hub.bus.subscribe('a', effectsOf(hub, { after }));
      for (let round = 0; round < 3; round += 1) {
        await stage.emit(uuidv7(), 5);
        await expectAllOnceInOrder('a');
      }
      expect(deaths).toBeGreaterThanOrEqual(3);
      expect(await parkedReasons()).toEqual([]);
    });

    it('brings a batch again when the handler fails', async () => {
      const hub = stage.startHub();
      let failures = 0;
      const before = () => {
        if (failures++ === 0) throw new Error('not today');
      };
      await hub.bus.subscribe('a', effectsOf(hub, { before }));
      await stage.emit(uuidv7());
      await expectAllOnceInOrder('a');
      expect(failures).toBe(2);
      expect(await parkedReasons()).toEqual([]);
    });

    it('parks an event that always fails, goes on, and drives it once more when asked', async () => {
      const hub = stage.startHub();
      const practice = uuidv7();
      const ids = await stage.emit(practice, 5);
      let isFixed = false;
      const before = ({ events }: EventBatch) => {
        if (!isFixed && events.some(({ id }) => id === ids[2])) throw new TypeError('a bug');
      };
      await hub.bus.subscribe('a', effectsOf(hub, { before }));
      const others = ids.filter((id) => id !== ids[2]);
      await eventually(async () => expect(await effectIds('a')).toEqual(others), patienceMs);
      expect(await parkedReasons()).toEqual([{ event_id: ids[2], reason: 'TypeError' }]);

      await stage.database.query('update parked_events set redrive = true');
      await eventually(async () => {
        const [parked] = await parkedReasons();
        expect(parked!.reason).toBe('TypeError (again, when driven once more)');
      });
      isFixed = true;
      await stage.database.query('update parked_events set redrive = true');
      await eventually(async () => expect(await effectIds('a')).toEqual([...others, ids[2]]));
      expect(await parkedReasons()).toEqual([]);
    });

    it('parks at once what the handler refuses, however many', async () => {
      const hub = stage.startHub();
      const ids = await stage.emit(uuidv7(), 6);
      const refused = ids.slice(1, 5);
      const before = ({ events }: EventBatch) => {
        const found = events.find(({ id }) => refused.includes(id));
        if (found) throw new UnhandleableEvent(found.id, 'no longer known');
      };
      await hub.bus.subscribe('a', effectsOf(hub, { before }));
      await eventually(
        async () => expect(await effectIds('a')).toEqual([ids[0], ids[5]]),
        patienceMs,
      );
      const expected = refused.map((event_id) => ({ event_id, reason: 'no longer known' }));
      expect(await parkedReasons()).toEqual(expected);
    });

    it('shares a group between two hubs, and goes on when one leaves', async () => {
      const [one, two] = [stage.startHub(), stage.startHub()];
      const practices = Array.from({ length: 8 }, () => uuidv7());
      const emitAll = () => Promise.all(practices.map((practice) => stage.emit(practice, 5)));
      await one.bus.subscribe('a', effectsOf(one));
      await two.bus.subscribe('a', effectsOf(two));
      await emitAll();
      await expectAllOnceInOrder('a');
      await Promise.all([one.close(), emitAll()]);
      await expectAllOnceInOrder('a');
    });

    it('goes on where it was after a restart', async () => {
      const practice = uuidv7();
      const first = stage.startHub();
      const subscription = await first.bus.subscribe('a', effectsOf(first));
      await stage.emit(practice, 5);
      await expectAllOnceInOrder('a');
      await subscription.stop();
      await first.close();
      const since = await stage.emit(practice, 5);

      const second = stage.startHub();
      const handed: string[] = [];
      const before = ({ events }: EventBatch) => void handed.push(...events.map(({ id }) => id));
      await second.bus.subscribe('a', effectsOf(second, { before }));
      await expectAllOnceInOrder('a');
      expect(handed).toEqual(since);
    });

    it('tells how far every group has consumed, for retention', async () => {
      const hub = stage.startHub();
      await hub.bus.subscribe('a', effectsOf(hub));
      const practices = [uuidv7(), uuidv7(), uuidv7()];
      for (const practice of practices) await stage.emit(practice, 2);
      await expectAllOnceInOrder('a');
      const { rows } = await stage.database.query(
        'select generation, xact_id::text as "xactId", seq::text from events order by seq desc limit 1',
      );
      await eventually(async () => expect(await hub.bus.consumedThrough()).toEqual(rows[0]));
    });

    async function effectIds(group: string): Promise<string[]> {
      return (await stage.effects(group)).map(({ eventId }) => eventId);
    }

    async function parkedReasons(): Promise<{ event_id: string; reason: string }[]> {
      const { rows } = await stage.database.query(
        'select event_id, reason from parked_events order by generation, xact_id, seq',
      );
      return rows;
    }
  });
}

/** A stable sort: within each practice the order stays. */
function byPractice(events: readonly Effect[]): Effect[] {
  return events.toSorted((a, b) => a.practiceId.localeCompare(b.practiceId));
}
