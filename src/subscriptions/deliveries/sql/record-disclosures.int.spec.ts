import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { createTestDatabase } from '../../../../test/support/postgres.js';
import { recordDeliveredDisclosingSql, recordDisclosingSql } from './record.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: pg.Pool;
const ids = {
  practice: uuidv7(),
  patient: uuidv7(),
  account: uuidv7(),
  partner: uuidv7(),
  grant: uuidv7(),
  endpoint: uuidv7(),
  event: uuidv7(),
};
/** One to a partner, and one that tells nobody anything. */
let told: string;
let untold: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
  await pool.query(`update delivery_shards set owner = 'a', epoch = 1 where shard = 7`);
  await pool.query(
    `insert into practices (id, name, kind, time_zone, currency, reminder_rules) values ($1, 'Elm', 'veterinary', 'UTC', 'USD', '[]')`,
    [ids.practice],
  );
  await pool.query(`insert into partners (id, name) values ($1, 'Robin')`, [ids.partner]);
  await pool.query(
    `insert into grants (id, practice_id, partner_id, event_types, payload_mode, read_mode, agreement_reference, purpose)
     values ($1, $2, $3, '{*}', 'full', 'none', 'BAA 7', 'recall')`,
    [ids.grant, ids.practice, ids.partner],
  );
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  [told, untold] = [uuidv7(), uuidv7()];
  await pool.query(
    `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id)
     select id, $2, 1, $3, 'payment.posted', $4 from unnest($1::uuid[]) as id`,
    [[told, untold], ids.endpoint, ids.event, ids.practice],
  );
});

const disclosure = () => [
  [ids.patient, null],
  [ids.account, null],
  [ids.partner, null],
  ['minimum', null],
  [ids.grant, null],
];
const at = new Date('2026-03-08T14:30:00.000Z');

function delivered(epoch = 1): Promise<pg.QueryResult> {
  const [least, most] = [told, untold].sort();
  const plain = [
    [told, untold],
    [7, 7],
    [at, at],
    [12, 12],
    [204, 204],
  ];
  const values = ['a', [7], [epoch], least, most, ...plain, '{}', ...disclosure()];
  return pool.query(recordDeliveredDisclosingSql, values);
}

async function attempted(number: number, outcome: string): Promise<void> {
  const status = outcome === 'succeeded' ? 'delivered' : 'failed';
  const both = <T>(value: T) => [value, value];
  const retryIn = status === 'failed' ? 60 : null;
  await pool.query(recordDisclosingSql, [
    'a',
    [7],
    [1],
    [told, untold],
    both(7),
    both(number),
    both(status),
    both(retryIn),
    both(at),
    both(12),
    both(outcome),
    ...[null, null, null, null, null].map(both),
    '{}',
    ...disclosure(),
  ]);
}

async function disclosed(): Promise<any[]> {
  const { rows } = await pool.query(
    `select * from disclosures where delivery_id = any ($1) order by id`,
    [[told, untold]],
  );
  return rows;
}

async function statuses(): Promise<string[]> {
  const { rows } = await pool.query(`select status from deliveries where id = any ($1)`, [
    [told, untold],
  ]);
  return rows.map(({ status }) => status);
}

describe('recording results of webhooks to partners', () => {
  it('puts on record what was disclosed, with the results of all', async () => {
    await delivered();
    expect(await statuses()).toEqual(['delivered', 'delivered']);
    expect(await disclosed()).toEqual([
      {
        id: expect.any(String),
        at,
        practice_id: ids.practice,
        patient_id: ids.patient,
        account_id: ids.account,
        partner_id: ids.partner,
        how: 'webhook',
        confirmed: true,
        what: 'payment.posted',
        mode: 'minimum',
        grant_id: ids.grant,
        purpose: 'recall',
        agreement_reference: 'BAA 7',
        event_id: ids.event,
        endpoint_id: ids.endpoint,
        delivery_id: told,
        correlation_id: null,
        on_behalf_of: null,
      },
    ]);
  });

  it('says a result once, however often it is reported, and nothing under an epoch that has passed', async () => {
    await delivered(0);
    expect(await disclosed()).toEqual([]);
    await delivered();
    await delivered();
    expect(await disclosed()).toHaveLength(1);
  });

  it('tells what was sent and not acknowledged from what was, the first time', async () => {
    await attempted(1, 'timeout');
    await attempted(2, 'http_status');
    expect((await disclosed()).map(({ confirmed }) => confirmed)).toEqual([false]);
    await attempted(3, 'succeeded');
    expect((await disclosed()).map(({ confirmed }) => confirmed)).toEqual([false, true]);
  });

  it('tells it after attempts in which nothing left the hub', async () => {
    await pool.query(
      `update deliveries set status = 'failed', attempts = 1, last_outcome = 'dns_error', last_attempt_at = now(),
         last_duration_ms = 1, next_attempt_at = now() where id = any ($1)`,
      [[told, untold]],
    );
    await attempted(2, 'timeout');
    expect((await disclosed()).map(({ confirmed }) => confirmed)).toEqual([false]);
  });

  it('keeps what had left the hub when it was withheld', async () => {
    await pool.query(
      `update deliveries set status = 'withheld', withheld_reason = 'revoked' where id = any ($1)`,
      [[told, untold]],
    );
    await delivered();
    expect(await statuses()).toEqual(['withheld', 'withheld']);
    expect(await disclosed()).toHaveLength(1);
  });
});
