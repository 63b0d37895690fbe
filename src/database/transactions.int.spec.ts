import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { openBusStage, type BusStage } from '../../test/support/bus-stage.js';
import { databaseTime, execute, send, type Statement, type Tx } from './transactions.js';

let stage: BusStage;
const practiceId = uuidv7();
const note: Statement = { name: 'note', text: 'insert into notes values ($1) returning text' };

beforeAll(async () => {
  stage = await openBusStage();
  await stage.database.query(
    'create table notes (text text primary key); grant all on notes to hub_api',
  );
});
afterAll(() => stage.close());
beforeEach(() => stage.database.query('truncate notes'));

const run = <T>(work: (tx: Tx) => Promise<T>) => stage.transactions.run([practiceId], work);
const notes = async () =>
  (await stage.database.query('select text from notes order by text')).rows.map(({ text }) => text);

describe('a transaction', () => {
  it('executes what is sent in the order of sending', async () => {
    const read = await run(async (tx) => {
      send(tx, note, ['a']);
      const [made, found] = await Promise.all([
        execute(tx, note, ['b']),
        tx.query('select count(*)::int from notes'),
      ]);
      send(tx, note, ['c']);
      return [made, found];
    });
    expect(read).toEqual([[{ text: 'b' }], [{ count: 2 }]]);
    expect(await notes()).toEqual(['a', 'b', 'c']);
  });

  it('fails of a statement that nobody waited for, and leaves nothing', async () => {
    await stage.database.query(`insert into notes values ('a')`);
    const work = run(async (tx) => {
      send(tx, note, ['b']);
      send(tx, note, ['a']);
      send(tx, note, ['c']);
      return 'done';
    });
    await expect(work).rejects.toMatchObject({ code: '23505' });
    expect(await notes()).toEqual(['a']);
  });

  it('tells the failure that made the others fail', async () => {
    await stage.database.query(`insert into notes values ('a')`);
    const work = run(async (tx) => {
      send(tx, note, ['a']);
      await tx.query('select 1');
    });
    await expect(work).rejects.toMatchObject({ code: '23505' });
    const held = run(async (tx) => {
      const first = execute(tx, note, ['a']);
      send(tx, note, ['b']);
      await first;
    });
    await expect(held).rejects.toMatchObject({ code: '23505' });
  });

  it('does not take a failure for done because its work went on', async () => {
    const work = run(async (tx) => {
      send(tx, note, ['b']);
      await tx.query('select 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('had failed');
    expect(await notes()).toEqual([]);
  });

  it('leaves nothing of work that throws while statements are under way', async () => {
    const work = run(async (tx) => {
      send(tx, note, ['b']);
      throw new Error('thought better of it');
    });
    await expect(work).rejects.toThrow('thought better of it');
    expect(await notes()).toEqual([]);
    expect(await run(async (tx) => tx.query('select 1 as one'))).toEqual([{ one: 1 }]);
  });

  it('executes nothing before it holds the lock', async () => {
    let release!: () => void;
    let holds!: () => void;
    const held = new Promise<void>((resolve) => (holds = resolve));
    const mayEnd = new Promise<void>((resolve) => (release = resolve));
    const first = run(async (tx) => {
      await databaseTime(tx);
      holds();
      await mayEnd;
      send(tx, note, ['first']);
      return databaseTime(tx);
    });
    await held;
    const second = run(async (tx) => {
      const seen = await tx.query('select text from notes');
      return { seen, at: await databaseTime(tx) };
    });
    release();
    const { seen, at } = await second;
    expect(seen).toEqual([{ text: 'first' }]);
    expect(at.getTime()).toBeGreaterThanOrEqual((await first).getTime());
  });

  it('leaves connections to other practices, however many come for one', async () => {
    // Another hub has the practice's lock meanwhile.
    const otherHub = await stage.database.connect();
    try {
      await otherHub.query('begin');
      await otherHub.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [practiceId]);
      const burst = Array.from({ length: 30 }, (_, i) =>
        run(async (tx) => send(tx, note, [String(i).padStart(2, '0')])),
      );
      const elsewhere = stage.transactions.run([uuidv7()], async (tx) => send(tx, note, ['other']));
      await elsewhere;
      expect(await notes()).toEqual(['other']);
      await otherHub.query('rollback');
      await Promise.all(burst);
      expect(await notes()).toHaveLength(31);
    } finally {
      // Ends the connection, and with it whatever it still holds.
      otherHub.release(true);
    }
  });
});
