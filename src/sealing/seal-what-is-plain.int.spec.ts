import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import pg from 'pg';
import { readEvents, secretsOf, testKeys } from '../../test/support/sealed.js';
import { startTestHub } from '../../test/support/start-hub.js';
import { migrate, migrations } from '../database/migrate.js';
import { createEmptyDatabase } from '../../test/support/postgres.js';
import { EnginePool } from '../database/engine-pool.js';
import { Logger } from '../platform/logger.js';
import { sealWhatIsPlain } from './seal-what-is-plain.js';

const events = 1203;
const marker = 'Adamarker';
const practice = uuidv7();
const endpoint = uuidv7();

let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
let pool: pg.Pool;

/** A database as the version before sealing has left it. */
async function fillAsBefore(): Promise<void> {
  const earlier = migrations.filter(({ name }) => Number(name.slice(-13)) < 1764000000014);
  const source = new DataSource({ type: 'postgres', url: database.url, migrations: earlier });
  await source.initialize();
  await source.runMigrations();
  await source.destroy();
  await pool.query(
    `insert into events (type, type_version, practice_id, source, subject, subject_version, actor, correlation_id, data)
     select 'patient.created', 1, case when n % 3 > 0 then $1::uuid end, '/', 'patients/' || n, n, 'operator', 'x',
            jsonb_build_object('givenName', $2::text || n)
     from generate_series(1, $3::int) as n`,
    [practice, marker, events],
  );
  await pool.query(
    `insert into endpoints (id, owner, url, event_types, payload_mode, headers, from_generation, from_xact_id)
     values ($1, 'operator', 'http://127.0.0.1:9/' || $2, '{patient.*}', 'full', jsonb_build_object('x-a', $2::text), 1, '0')`,
    [endpoint, marker],
  );
  await pool.query(`insert into endpoint_counters (endpoint_id) values ($1)`, [endpoint]);
  await pool.query(
    `insert into endpoint_secrets (endpoint_id, kind, secret) values ($1, 'hmac', $2)`,
    [endpoint, `whsec_${marker}`],
  );
  await pool.query(
    `insert into idempotency_keys (identity, route, key, body_hash, status, body)
     values ('operator', 'POST /x', 'k', '', 201, jsonb_build_object('name', $1::text)),
            ('operator', 'POST /x', 'none', '', 204, null)`,
    [marker],
  );
  await pool.query(`insert into attempt_responses (delivery_id, number, body) values ($1, 2, $2)`, [
    randomUUID(),
    marker,
  ]);
}

beforeAll(async () => {
  database = await createEmptyDatabase();
  pool = new pg.Pool({ connectionString: database.url });
  await fillAsBefore();
  await migrate(database.url);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const rowsWith = async (text: string) => {
  const tables = [
    'events',
    'endpoints',
    'endpoint_secrets',
    'idempotency_keys',
    'attempt_responses',
  ];
  const counts = tables.map(
    (table) => `select count(*) as n from ${table} as t where t::text like $1`,
  );
  const { rows } = await pool.query(
    `select sum(n)::int as n from (${counts.join(' union all ')}) as c`,
    [`%${text}%`],
  );
  return rows[0].n;
};

it('seals what an earlier version has kept in plain text, goes on where it was cut off, and serves it', async () => {
  expect(await rowsWith(marker)).toBe(events + 4);

  // Killed after the first batch, which is committed.
  const engine = new EnginePool(database.url, 10);
  const keys = testKeys(engine);
  await keys.start();
  const write = engine.transactionAsOwner.bind(engine);
  let writes = 0;
  engine.transactionAsOwner = (work) => {
    if ((writes += 1) > 1) throw new Error('killed');
    return write(work);
  };
  await expect(sealWhatIsPlain(engine, keys, new Logger('silent'))).rejects.toThrow('killed');
  await keys.stop();
  await engine.end();
  const left = await rowsWith(marker);
  expect(left).toBeGreaterThan(500);
  expect(left).toBeLessThan(events + 4);

  // However long the history is: looking through it to the end is not cut off.
  await pool.query('alter function hub_finish_sealing() rename to finish_in_time');
  await pool.query(`
    create function hub_finish_sealing() returns void language plpgsql as $$
    begin
      if current_setting('statement_timeout') <> '0' then raise 'it may take too long'; end if;
      perform finish_in_time();
    end $$`);

  // Two hubs that start at once take it in turn.
  const hubs = await Promise.all([1, 2].map(() => startTestHub({ databaseUrl: database.url })));
  try {
    expect(await rowsWith(marker)).toBe(0);
    const said = await readEvents(pool);
    expect(said.map(({ data }) => data.givenName)).toEqual(
      Array.from({ length: events }, (_, i) => `${marker}${i + 1}`),
    );
    expect(await secretsOf(pool)).toEqual([`whsec_${marker}`]);
    const shown = await hubs[0]!.api('GET', `/v1/endpoints/${endpoint}`);
    expect(shown.body).toMatchObject({
      url: `http://127.0.0.1:9/${marker}`,
      headers: { 'x-a': marker },
    });
    const { rows } = await pool.query(
      `select column_name from information_schema.columns
       where table_schema = 'public' and (table_name, column_name) in
         (('events', 'data'), ('endpoints', 'url'), ('endpoint_secrets', 'secret'), ('attempt_responses', 'body'))`,
    );
    expect(rows).toEqual([]);
    await expect(pool.query(`update events set type = 'x'`)).rejects.toThrow('append-only');
  } finally {
    await Promise.all(hubs.map((hub) => hub.close()));
  }
});
