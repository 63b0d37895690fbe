import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { eventually } from '../../../../test/support/eventually.js';
import { createTestDatabase } from '../../../../test/support/postgres.js';
import { recordSql } from './record.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: pg.Pool;
let deliveryId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 4 });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  deliveryId = uuidv7();
  await pool.query(`update delivery_shards set owner = 'a', epoch = 1 where shard = 7`);
  await pool.query(
    `insert into deliveries (id, endpoint_id, sequence, event_id, event_type)
     values ($1, $2, 1, $3, 'patient.created')`,
    [deliveryId, uuidv7(), uuidv7()],
  );
});

interface Result {
  owner: string;
  epoch: number;
  number: number;
  status: string;
}

function record({ owner, epoch, number, status }: Result): Promise<pg.QueryResult> {
  const retryIn = status === 'failed' ? 60 : null;
  const outcome = status === 'delivered' ? 'succeeded' : 'http_status';
  return pool.query(recordSql, [
    owner,
    [7],
    [epoch],
    [deliveryId],
    [7],
    [number],
    [status],
    [retryIn],
    [new Date()],
    [12],
    [outcome],
    [status === 'delivered' ? 204 : 500],
    [null],
    [null],
    [null],
    [null],
    '{}',
  ]);
}

async function stored(): Promise<{ status: string; attempts: number }> {
  const { rows } = await pool.query('select status, attempts from deliveries where id = $1', [
    deliveryId,
  ]);
  return rows[0];
}

describe('recording a result', () => {
  it('keeps the last attempt in the row and those before it apart', async () => {
    await record({ owner: 'a', epoch: 1, number: 1, status: 'failed' });
    expect(await stored()).toEqual({ status: 'failed', attempts: 1 });
    await record({ owner: 'a', epoch: 1, number: 2, status: 'delivered' });
    expect(await stored()).toEqual({ status: 'delivered', attempts: 2 });
    const { rows } = await pool.query(
      'select number, outcome, status_code from delivery_attempts where delivery_id = $1',
      [deliveryId],
    );
    expect(rows).toEqual([{ number: 1, outcome: 'http_status', status_code: 500 }]);
  });

  it('is void under an epoch that has passed, or by somebody who is not the owner', async () => {
    await record({ owner: 'a', epoch: 0, number: 1, status: 'dead' });
    await record({ owner: 'b', epoch: 1, number: 1, status: 'dead' });
    expect(await stored()).toEqual({ status: 'pending', attempts: 0 });
  });

  it('counts an attempt once, whichever report comes first', async () => {
    await record({ owner: 'a', epoch: 1, number: 1, status: 'delivered' });
    await record({ owner: 'a', epoch: 1, number: 1, status: 'failed' });
    expect(await stored()).toEqual({ status: 'delivered', attempts: 1 });
  });

  it('waits for a take-over under way and is void once that has committed', async () => {
    const taker = await pool.connect();
    await taker.query('begin');
    await taker.query(`update delivery_shards set owner = 'b', epoch = 2 where shard = 7`);
    const recording = record({ owner: 'a', epoch: 1, number: 1, status: 'dead' });
    await eventually(async () => {
      const { rows } = await pool.query(
        `select count(*)::int as n from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'`,
      );
      expect(rows[0].n).toBe(1);
    });
    await taker.query('commit');
    taker.release();
    await recording;
    expect(await stored()).toEqual({ status: 'pending', attempts: 0 });
  });
});
