import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase } from '../../test/support/postgres.js';
import { Signals } from '../database/signals.js';
import { Logger } from '../platform/logger.js';
import type { DataKeys as Keys } from './data-keys.js';
import { DataKeys } from './data-keys.js';
import { keyStatus, renewDataKeys, rewrapAll, shred } from './key-care.js';
import { MasterKeyMissing, MasterKeys } from './master-keys.js';

const secrets = [1, 2].map((n) => Buffer.alloc(32, n));
const [master, both] = [MasterKeys.of([secrets[0]!]), MasterKeys.of([secrets[1]!, secrets[0]!])];

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: pg.Pool;
let client: pg.PoolClient;
let statements: string[];
const hubs: { keys: Keys; signals: Signals }[] = [];

/** The keys as one hub has them, which count what they ask the database for. */
async function open(masterKeys = master): Promise<Keys> {
  const signals = new Signals(database.url);
  await signals.start();
  const counting = {
    query: (...all: [any]) => {
      statements.push(all[0].name ?? all[0]);
      return pool.query(...all);
    },
  };
  const keys = new DataKeys(counting as never, masterKeys, signals, new Logger('silent'));
  hubs.push({ keys, signals });
  await keys.start();
  return keys;
}

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url });
  client = await pool.connect();
});
afterAll(async () => {
  client.release();
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  statements = [];
  await pool.query('delete from data_keys');
});
afterEach(async () => {
  for (const { keys, signals } of hubs.splice(0)) {
    await keys.stop();
    await signals.stop();
  }
});

async function sealFor(keys: Keys, practiceId: string | null): Promise<Buffer> {
  await keys.prepare([practiceId]);
  return keys.sealing(practiceId)!.seal('said', 'here');
}

const opened = async (keys: Keys, sealed: Buffer) =>
  (await keys.open([{ sealed, binding: 'here' }]))[0];

describe('data keys', () => {
  it('are shared by hubs, one for each practice and one of their own', async () => {
    const [one, other] = await Promise.all([open(), open()]);
    expect(one.own.number).toBe(other.own.number);
    const practices = [uuidv7(), uuidv7()];
    await Promise.all([one, other].map((keys) => keys.prepare(practices)));
    const numbers = practices.map((id) => one.sealing(id)!.number);
    expect(practices.map((id) => other.sealing(id)!.number)).toEqual(numbers);
    expect(new Set([...numbers, one.own.number]).size).toBe(3);
    expect(await opened(other, await sealFor(one, practices[0]!))).toBe('said');
  });

  it('are made for a thousand practices in three statements, and at hand after that', async () => {
    const keys = await open();
    const practices = Array.from({ length: 1000 }, () => uuidv7());
    statements = [];
    await keys.prepare(practices);
    expect(statements).toHaveLength(3);
    expect(keys.prepare(practices)).toBeUndefined();
    expect((await keyStatus(client)).active).toBe(1001);
  });

  it('are read together where payloads of many are opened', async () => {
    const [writer, reader] = [await open(), await open()];
    const practices = Array.from({ length: 50 }, () => uuidv7());
    await writer.prepare(practices);
    const sealed = practices.map((id) => ({
      sealed: writer.sealing(id)!.seal(id, 'here'),
      binding: 'here',
    }));
    statements = [];
    expect(await reader.open(sealed)).toEqual(practices);
    expect(statements).toEqual(['data-keys-by-number']);
  });

  it('say of what they cannot open that it is unreadable, and go on', async () => {
    const keys = await open();
    const sealed = await sealFor(keys, uuidv7());
    const nobodys = Buffer.from(sealed);
    nobodys.writeUInt32BE(4_000_000, 1);
    const answers = await keys.open(
      [Buffer.from('{}'), sealed.subarray(0, -1), nobodys, Buffer.from([0]), sealed].map(
        (each) => ({ sealed: each, binding: 'here' }),
      ),
    );
    const unreadable = { lost: 'unreadable' };
    expect(answers).toEqual([unreadable, unreadable, unreadable, { lost: 'erased' }, 'said']);
  });

  it('make unreadable what is sealed under one that was changed, and nothing else', async () => {
    const [writer, reader] = [await open(), await open()];
    const practices = [uuidv7(), uuidv7()];
    const sealed = [await sealFor(writer, practices[0]!), await sealFor(writer, practices[1]!)].map(
      (each) => ({ sealed: each, binding: 'here' }),
    );
    await pool.query('update data_keys set wrapped = $2 where practice_id = $1', [
      practices[0],
      Buffer.alloc(60),
    ]);
    expect(await reader.open(sealed)).toEqual([{ lost: 'unreadable' }, 'said']);
  });

  it('are never taken for lost where only the master key is missing', async () => {
    const stranger = await open();
    const keys = await open(both);
    await renewDataKeys(client, both, Buffer.alloc(32));
    const sealed = await sealFor(keys, uuidv7());
    await expect(opened(stranger, sealed)).rejects.toThrow(MasterKeyMissing);
  });
});

describe('caring for keys', () => {
  it('wraps them anew while hubs go on, after which the former master key opens nothing', async () => {
    const keys = await open();
    const practices = Array.from({ length: 1200 }, () => uuidv7());
    await keys.prepare(practices);
    const sealed = await sealFor(keys, practices[7]!);
    const told: number[] = [];
    expect(await rewrapAll(client, both, (done) => told.push(done))).toBe(1201);
    expect(told).toEqual([500, 1000, 1201]);
    expect(await rewrapAll(client, both)).toBe(0);
    expect((await keyStatus(client)).wrapped).toEqual([{ id: both.firstId, count: 1201 }]);
    expect(await opened(keys, sealed)).toBe('said');
    expect(await opened(await open(MasterKeys.of([secrets[1]!])), sealed)).toBe('said');
    await expect(open(master)).rejects.toThrow(MasterKeyMissing);
  });

  it('lets new data keys seal, with the hub’s own, and former ones open', async () => {
    const keys = await open();
    const practice = uuidv7();
    const [former, own] = [await sealFor(keys, practice), keys.own];
    const number = keys.sealing(practice)!.number;
    expect(await renewDataKeys(client, master, Buffer.alloc(32, 9))).toBe(2);
    await eventually(async () => {
      await keys.prepare([practice]);
      expect(keys.sealing(practice)!.number).not.toBe(number);
      expect(keys.own.number).not.toBe(own.number);
    });
    expect(await opened(keys, former)).toBe('said');
    expect(await keyStatus(client)).toMatchObject({ active: 2, retired: 2 });
  });

  it('destroys those of one practice, in hubs that run and in those that start', async () => {
    const keys = await open();
    const [practice, neighbour] = [uuidv7(), uuidv7()];
    const [lost, kept] = [await sealFor(keys, practice), await sealFor(keys, neighbour)];
    let told = 0;
    keys.onDestroyed(() => (told += 1));
    expect(await shred(client, practice)).toBe(1);
    await eventually(async () => expect(await opened(keys, lost)).toEqual({ lost: 'erased' }));
    expect(told).toBe(1);
    expect(await opened(await open(), lost)).toEqual({ lost: 'erased' });
    expect(await opened(keys, kept)).toBe('said');
    // What happens there from now on has another key.
    expect(await opened(keys, await sealFor(keys, practice))).toBe('said');
    expect(await opened(keys, lost)).toEqual({ lost: 'erased' });
    expect(await shred(client, neighbour)).toBe(1);
    expect(await shred(client, neighbour)).toBe(0);
  });

  it('destroys them in a hub that has lost the file of its master key', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'hub-keys-')), 'master.key');
    await writeFile(file, secrets[0]!.toString('base64'));
    const keys = await open(await MasterKeys.inFile(file));
    const practice = uuidv7();
    const lost = await sealFor(keys, practice);
    let told = 0;
    keys.onDestroyed(() => (told += 1));
    await rm(dirname(file), { recursive: true });
    await shred(client, practice);
    await eventually(async () => expect(await opened(keys, lost)).toEqual({ lost: 'erased' }));
    expect(told).toBe(1);
  });
});
