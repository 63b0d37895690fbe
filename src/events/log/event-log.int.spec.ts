import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { openBusStage, type BusStage } from '../../../test/support/bus-stage.js';
import { eventually } from '../../../test/support/eventually.js';
import { testKeys } from '../../../test/support/sealed.js';
import { EnginePool } from '../../database/engine-pool.js';
import { comparePositions, logStart, parsePosition, type Position } from '../position.js';
import { CursorUnusable, EventLog } from './event-log.js';

let stage: BusStage;
let pool: EnginePool;
let log: EventLog;

beforeAll(async () => {
  stage = await openBusStage();
  pool = new EnginePool(stage.url, 20);
  log = new EventLog(pool, testKeys(pool));
});
afterAll(async () => {
  await pool.end();
  await stage.close();
});
beforeEach(async () => {
  await stage.database.query(`
    delete from events; delete from log_generations where generation > 1;
    update log_retention set generation = 0, xact_id = '0', seq = 0`);
});

/** Until a reader may see it all: a transaction of another spec, on the same server, may hold the horizon back. */
const settle = () =>
  eventually(async () => expect((await log.readHeaders(logStart, 1000)).more).toBe(false));

async function say(count = 1, practiceId = uuidv7()): Promise<string[]> {
  const ids = await stage.emit(practiceId, count);
  await settle();
  return ids;
}

const idsAfter = async (position: Position, limit = 1000) =>
  (await log.readHeaders(position, limit)).events.map(({ id }) => id);

/** An event of another time of this database, as a dump brings it along. */
async function restored(generation: number, xactId: string): Promise<string> {
  const { rows } = await stage.database.query(
    `insert into events (generation, xact_id, type, type_version, practice_id, source, subject, subject_version,
                         actor, correlation_id, sealed)
     values ($1, $2, 'patient.created', 1, gen_random_uuid(), '/', 'patients/1', 1, 'operator', 'x', '\\x00')
     returning id`,
    [generation, xactId],
  );
  return rows[0].id;
}

/** From now on the database is another cluster, or the same one after a point-in-time recovery. */
async function beginGeneration(generation: number): Promise<void> {
  await stage.database.query(`
    update log_generations set system_identifier = -generation where generation < ${generation};
    delete from log_generations where generation = ${generation}`);
  const { rows } = await stage.database.query('select hub_generation() as generation');
  expect(rows[0].generation).toBe(generation);
}

async function holdTransaction() {
  const client = await stage.database.connect();
  await client.query('begin; select pg_current_xact_id()');
  return {
    end: async () => {
      await client.query('commit');
      client.release();
    },
  };
}

describe('reading the log', () => {
  it('gives what was said, in the order it was said, page by page', async () => {
    const practice = uuidv7();
    const ids = [...(await say(3, practice)), ...(await say(2, practice))];
    const first = await log.readHeaders(logStart, 2);
    expect(first.more).toBe(true);
    expect(first.events.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(await idsAfter(first.events[1]!.position)).toEqual(ids.slice(2));
    expect(first.events[0]).toMatchObject({
      type: 'patient.created',
      practiceId: practice,
      actor: 'operator',
    });
  });

  it('gives whole events with the same positions as headers', async () => {
    await say(2);
    const { events } = await log.readEvents(logStart, 10);
    const headers = (await log.readHeaders(logStart, 10)).events;
    expect(events.map(({ position }) => parsePosition(position))).toEqual(
      headers.map(({ position }) => position),
    );
    expect(events[0]).toMatchObject({
      typeVersion: 1,
      subjectVersion: 1,
      correlationId: 'a-spec',
      causationId: null,
      data: { givenName: 'Ada' },
    });
    expect(events[0]!.time).toBeInstanceOf(Date);
  });

  it('finds headers by id, and nothing for an id that the log does not hold', async () => {
    const [id] = await say();
    const { events } = await log.readHeaders(logStart, 1);
    expect(await log.headersOf([uuidv7(), id!])).toEqual(events);
  });

  it('hides what was committed while an earlier transaction is open, and says that there is more', async () => {
    const [settled] = await say();
    const open = await holdTransaction();
    const [waiting] = await stage.emit(uuidv7());
    try {
      const page = await log.readHeaders(logStart, 10);
      expect(page.events.map(({ id }) => id)).toEqual([settled]);
      expect(page.more).toBe(true);
      expect((await log.readEvents(logStart, 10)).events).toHaveLength(1);
    } finally {
      await open.end();
    }
    await settle();
    const page = await log.readHeaders(logStart, 10);
    expect(page.events.map(({ id }) => id)).toEqual([settled, waiting]);
    expect(page.more).toBe(false);
  });
});

describe('a restored log', () => {
  it('is readable at once, before everything that is said since, however high its transaction ids', async () => {
    await beginGeneration(2);
    const late = await restored(1, '9000000000000');
    const early = await restored(1, '5');
    const [now] = await say();
    expect(await idsAfter(logStart)).toEqual([early, late, now]);
  });

  it('is read on from a cursor of its own time', async () => {
    await beginGeneration(2);
    await restored(1, '5');
    const late = await restored(1, '9000000000000');
    const [now] = await say();
    expect(await idsAfter({ generation: 1, xactId: '5', seq: '9223372036854775807' })).toEqual([
      late,
      now,
    ]);
    await log.assertUsable({ generation: 1, xactId: '9000000000000', seq: '1' });
  });

  it('resolves the generation where nobody has started a hub yet', async () => {
    await stage.database.query('update log_generations set system_identifier = -1');
    const [id] = await say();
    const [event] = (await log.readHeaders(logStart, 1)).events;
    expect(event).toMatchObject({ id, position: { generation: 2 } });
    await beginGeneration(3);
    expect(await idsAfter(logStart)).toEqual([id]);
  });
});

describe('a cursor', () => {
  it('is refused when it lies ahead of the log', async () => {
    const { head } = await log.horizon();
    await log.assertUsable(head);
    const ahead = { ...head, xactId: String(BigInt(head.xactId) + 1000n) };
    await expect(log.assertUsable(ahead)).rejects.toMatchObject({ code: 'cursor_ahead' });
    const otherCluster = { ...logStart, generation: head.generation + 1 };
    await expect(log.assertUsable(otherCluster)).rejects.toThrow(CursorUnusable);
  });

  it('is refused when retention has dropped what follows it', async () => {
    await say(3);
    const [first, second] = (await log.readHeaders(logStart, 3)).events.map((e) => e.position);
    await stage.database.query('update log_retention set generation = $1, xact_id = $2, seq = $3', [
      second!.generation,
      second!.xactId,
      second!.seq,
    ]);
    await log.assertUsable(second!);
    await expect(log.assertUsable(first!)).rejects.toMatchObject({ code: 'cursor_expired' });
    await expect(log.assertUsable(logStart)).rejects.toMatchObject({ code: 'cursor_expired' });
  });

  it('of the horizon shows everything settled below it, and nothing it does not show settles below it', async () => {
    const open = await holdTransaction();
    const [waiting] = await stage.emit(uuidv7());
    const { settled, head } = await log.horizon();
    await open.end();
    await settle();
    expect(comparePositions(settled, head)).toBeLessThan(0);
    expect(await idsAfter(settled)).toEqual([waiting]);
  });
});
