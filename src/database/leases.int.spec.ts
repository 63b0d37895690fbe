import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '../../test/support/postgres.js';
import { readSettings } from '../platform/settings.js';
import { EnginePool } from './engine-pool.js';
import { Leases } from './leases.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: EnginePool;
let leases: Leases;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new EnginePool(database.url, 8);
  leases = new Leases(pool, readSettings({}));
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('a lease', () => {
  it('is held by one at a time and prolonged under the same epoch', async () => {
    const first = await leases.take('job', 'a');
    expect(first?.epoch).toBe('1');
    expect(await leases.take('job', 'b')).toBeUndefined();
    expect((await leases.take('job', 'a'))?.epoch).toBe('1');
  });

  it('goes to another under a new epoch once it has run out', async () => {
    await leases.take('dead', 'a');
    await pool.query(`update leases set leased_until = now() - interval '1 s' where name = 'dead'`);
    expect((await leases.take('dead', 'b'))?.epoch).toBe('2');
    expect(await leases.take('dead', 'a')).toBeUndefined();
  });

  it('can be given back at once, but only by whoever holds it', async () => {
    const lease = (await leases.take('given', 'a'))!;
    await leases.release({ ...lease, holder: 'b' });
    expect(await leases.take('given', 'b')).toBeUndefined();
    await leases.release(lease);
    expect(await leases.take('given', 'b')).toBeDefined();
  });

  it('goes to one of many that want it at once', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `rival-${i}`);
    const taken = await Promise.all(names.map((name) => leases.take('contested', name)));
    expect(taken.filter(Boolean)).toHaveLength(1);
  });
});
