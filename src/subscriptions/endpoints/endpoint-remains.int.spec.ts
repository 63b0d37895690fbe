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
