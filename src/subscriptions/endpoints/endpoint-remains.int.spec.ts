import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import { EndpointRemains } from './endpoint-remains.js';

let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.close());

/** Disabled, so that nothing sends what the test puts there. */
async function endpoint(): Promise<string> {
  const input = { url: 'http://127.0.0.1:9/', eventTypes: ['*'], enabled: false };
  return (await hub.api('POST', '/v1/endpoints', input)).body.id;
}

function remove(id: string): Promise<{ status: number }> {
  return hub.api('DELETE', `/v1/endpoints/${id}`, undefined, { 'if-match': '"1"' });
}

const insertSql = `
  insert into deliveries (id, endpoint_id, sequence, event_id, event_type, status, attempts, last_attempt_at, next_attempt_at)
  select hub_uuid_v7(), $1, n, gen_random_uuid(), 'patient.created', $2::text, $3::smallint,
         case when $3 > 0 then now() end, case when $2 = 'failed' then now() + interval '1 hour' end
  from generate_series(1, $4::int) as n`;

/** What was put into the queues for an endpoint, as the engine does. */
const queueSql = `
  with retries as (
    insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
    select id, endpoint_id, sequence, event_id, attempts, next_attempt_at
    from deliveries where endpoint_id = $1 and status = 'failed'
  )
  insert into delivery_followers (delivery_id, endpoint_id, order_key, sequence, event_id)
  select id, endpoint_id, 'patients/x', sequence, event_id
  from deliveries where endpoint_id = $1 and status = 'pending' and sequence <= $2`;

async function queued(id: string): Promise<number> {
  const { rows } = await hub.database.query(
    `select (select count(*) from delivery_retries where endpoint_id = $1)
          + (select count(*) from delivery_followers where endpoint_id = $1) as count`,
    [id],
  );
  return Number(rows[0].count);
}

async function statuses(id: string): Promise<Record<string, number>> {
  const { rows } = await hub.database.query(
    `select status || coalesce(':' || withheld_reason, '') as status, count(*)::int as count
     from deliveries where endpoint_id = $1 group by 1`,
    [id],
  );
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

it('withholds what is open with the deletion, and leaves what is finished as it is', async () => {
  const id = await endpoint();
  await hub.database.query(insertSql, [id, 'pending', 0, 3]);
  await hub.database.query(insertSql, [id, 'failed', 2, 4]);
  await hub.database.query(queueSql, [id, 0]);
  await hub.database.query(insertSql, [id, 'delivered', 1, 5]);
  await hub.database.query(insertSql, [id, 'dead', 8, 6]);
  expect((await remove(id)).status).toBe(204);
  expect(await statuses(id)).toEqual({ 'withheld:endpoint_deleted': 7, delivered: 5, dead: 6 });
});

it('withholds a large backlog soon after', async () => {
  const id = await endpoint();
  await hub.database.query(insertSql, [id, 'pending', 0, 5001]);
  expect((await remove(id)).status).toBe(204);
  await eventually(async () =>
    expect(await statuses(id)).toEqual({ 'withheld:endpoint_deleted': 5001 }),
  );
});

it('empties the queues too, also of what was put aside behind the mark', async () => {
  const id = await endpoint();
  await hub.database.query(insertSql, [id, 'pending', 0, 6000]);
  await hub.database.query(insertSql, [id, 'failed', 2, 3000]);
  await hub.database.query(queueSql, [id, 2500]);
  await hub.database.query(
    'update endpoint_progress set attempted_through = 2500 where endpoint_id = $1',
    [id],
  );
  const { body } = await hub.api('GET', `/v1/endpoints/${id}`);
  expect(body.pending).toBe(9000);
  // A place in the queue whose delivery retention has dropped.
  await hub.database.query(
    `insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
     values (gen_random_uuid(), $1, 1, gen_random_uuid(), 1, now())`,
    [id],
  );
  expect((await remove(id)).status).toBe(204);
  await eventually(async () => {
    expect(await statuses(id)).toEqual({ 'withheld:endpoint_deleted': 9000 });
    expect(await queued(id)).toBe(0);
    const { rows } = await hub.database.query(
      'select attempted_through::int as through from endpoint_progress where endpoint_id = $1',
      [id],
    );
    expect(rows[0].through).toBe(6000);
  });
});

it('waits for a fan-out that is numbering for the endpoint', async () => {
  const id = await endpoint();
  const fanOut = await hub.database.connect();
  try {
    await fanOut.query('begin');
    await fanOut.query('select from endpoint_counters where endpoint_id = $1 for update', [id]);
    const removed = remove(id);
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock' and query like '%endpoint_counters%'`,
      );
      expect(rows).toHaveLength(1);
    });
    await fanOut.query(insertSql, [id, 'pending', 0, 2]);
    await fanOut.query('commit');
    expect((await removed).status).toBe(204);
  } finally {
    fanOut.release();
  }
  expect(await statuses(id)).toEqual({ 'withheld:endpoint_deleted': 2 });
  // A fan-out that comes later finds nothing to number with.
  const { rows } = await hub.database.query(
    'select from endpoint_counters where endpoint_id = $1',
    [id],
  );
  expect(rows).toEqual([]);
});

it('does not wait for a result that is being recorded; the sweep finds what became of it', async () => {
  const id = await endpoint();
  await hub.database.query(insertSql, [id, 'failed', 1, 2]);
  await hub.database.query(queueSql, [id, 0]);
  const recorder = await hub.database.connect();
  try {
    await recorder.query('begin');
    await recorder.query(
      'update deliveries set attempts = 2 where endpoint_id = $1 and sequence = 1',
      [id],
    );
    expect((await remove(id)).status).toBe(204);
    expect(await statuses(id)).toEqual({ 'withheld:endpoint_deleted': 1, failed: 1 });
    await recorder.query('commit');
  } finally {
    recorder.release();
  }
  await hub.app.get(EndpointRemains).sweep();
  expect(await statuses(id)).toEqual({ 'withheld:endpoint_deleted': 2 });
});

it('leaves living endpoints alone', async () => {
  const id = await endpoint();
  await hub.database.query(insertSql, [id, 'pending', 0, 1]);
  await hub.app.get(EndpointRemains).sweep();
  expect(await statuses(id)).toEqual({ pending: 1 });
});
