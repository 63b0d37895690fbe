import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase } from '../../test/support/postgres.js';
import { EnginePool } from './engine-pool.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: EnginePool;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new EnginePool(database.url, 10);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

describe('the connections of the engine', () => {
  it('plan a prepared statement once, whatever values come', async () => {
    const client = await pool.connect();
    const text = `select count(*)::int as found from deliveries where id = any ($1::uuid[])`;
    const of = (count: number) => Array.from({ length: count }, () => crypto.randomUUID());
    for (const count of [1, 500, 2, 1000, 3, 1, 1]) {
      await client.query({ name: 'some', text, values: [of(count)] });
    }
    const { rows } = await client.query(
      `select generic_plans::int as generic, custom_plans::int as custom from pg_prepared_statements where name = 'some'`,
    );
    client.release();
    expect(rows).toEqual([{ generic: 7, custom: 0 }]);
  });

  it('look rows up, also in a table that was empty when the plan was made', async () => {
    const client = await pool.connect();
    await client.query('vacuum (analyze) delivery_retries');
    await client.query(
      `prepare look as select attempts from delivery_retries where delivery_id = any ($1::uuid[])`,
    );
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain execute look ('{}')`);
    client.release();
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('delivery_retries_pkey');
    expect(plan).not.toContain('Seq Scan');
  });
});
