import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emitPatientCreated } from '../../test/support/emit.js';
import { eventually } from '../../test/support/eventually.js';
import { bookMany, openClinic } from '../../test/support/factories-appointments.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { EnginePool } from '../database/engine-pool.js';
import { Settings } from '../platform/settings.js';
import { HousekeepingService, preparePartitions } from './housekeeping.service.js';

let hub: TestHub;
let practiceId: string;
let housekeeping: HousekeepingService;

beforeEach(async () => {
  hub = await startTestHub();
  housekeeping = hub.app.get(HousekeepingService);
  const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
});
afterEach(() => hub.close());

async function partitions(table: string): Promise<string[]> {
  const { rows } = await hub.database.query(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = $1::regclass order by 1`,
    [table],
  );
  return rows.map(({ name }) => name);
}

async function consumed(): Promise<void> {
  await eventually(async () => {
    const { rows } = await hub.database.query(
      `select exists (select from consumer_cursors as c, events as e
         where (e.generation, e.xact_id, e.seq) > (c.generation, c.xact_id, c.seq)) as behind`,
    );
    expect(rows[0].behind).toBe(false);
  });
}

const farFuture = new Date(Date.now() + 90 * 86_400_000);

describe('housekeeping', () => {
  it('has partitions for the coming days, and new events land there', async () => {
    await emitPatientCreated(hub, practiceId);
    const { rows } = await hub.database.query(
      `select count(*)::int as n from events_default union all select count(*) from events`,
    );
    expect(rows.map(({ n }) => Number(n))).toEqual([0, 1]);
    for (const table of ['events', 'deliveries', 'delivery_attempts']) {
      expect((await partitions(table)).length).toBeGreaterThanOrEqual(3);
    }
  });

  it('moves what came while no partition covered its day', async () => {
    await hub.database.query(`drop table ${(await partitions('events'))[0]}`);
    const [id] = await emitPatientCreated(hub, practiceId);
    const found = 'select tableoid::regclass::text as place from events where id = $1';
    expect((await hub.database.query(found, [id])).rows[0].place).toBe('events_default');
    for (const name of (await partitions('events')).filter((name) => name !== 'events_default')) {
      await hub.database.query(`drop table ${name}`);
    }
    await preparePartitions(hub.app.get(EnginePool), hub.app.get(Settings));
    const { rows } = await hub.database.query(found, [id]);
    expect(rows[0].place).toMatch(/^events_\d{8}_\d{8}$/);
    expect((await hub.api('GET', `/v1/events/${id}`)).status).toBe(200);
  });

  it('keeps what was disclosed for six years, and moves it between partitions without touching it', async () => {
    await hub.database.query(
      `insert into disclosures (at, practice_id, patient_id, partner_id, how, confirmed, what, mode)
       values (now(), $1, gen_random_uuid(), gen_random_uuid(), 'fetch', true, 'patient', 'full')`,
      [practiceId],
    );
    const [first] = await partitions('disclosures');
    // As if it had come while no partition covered its day.
    await hub.database.query(`alter table disclosures detach partition ${first}`);
    await hub.database.query(`insert into disclosures select * from ${first}`);
    await hub.database.query(`drop table ${first}`);
    await preparePartitions(hub.app.get(EnginePool), hub.app.get(Settings));
    const kept = 'select tableoid::regclass::text as place from disclosures';
    expect((await hub.database.query(kept)).rows).toEqual([{ place: first }]);
    await expect(hub.database.query('delete from disclosures')).rejects.toThrow('append-only');
    const all = await partitions('disclosures');
    expect(all).toEqual(expect.arrayContaining(['disclosures_default', first]));
    for (const name of all) {
      await expect(hub.database.query(`truncate ${name}`)).rejects.toThrow('append-only');
    }
    const years = (count: number) => new Date(Date.now() + count * 365.25 * 86_400_000);
    await housekeeping.dropExpired(years(5));
    expect((await hub.database.query(kept)).rows).toHaveLength(1);
    await housekeeping.dropExpired(years(8));
    expect((await hub.database.query(kept)).rows).toEqual([]);
  });

  it('drops what is past retention and tells a reader whose cursor lies there', async () => {
    await emitPatientCreated(hub, practiceId, 3);
    const first = await hub.api('GET', '/v1/events?limit=1');
    await consumed();
    await housekeeping.dropExpired(farFuture);
    expect((await hub.api('GET', '/v1/events')).body.data).toEqual([]);
    const late = await hub.api('GET', `/v1/events?after=${first.body.nextCursor}`);
    expect(late).toMatchObject({ status: 410, body: { code: 'cursor_expired' } });
  });

  it('keeps what an open delivery still needs, unless its endpoint is disabled', async () => {
    // Nothing listens on port 1, so that the delivery stays open.
    const endpoint = { url: 'http://127.0.0.1:1/', eventTypes: ['patient.*'] };
    const { id } = (await hub.api('POST', '/v1/endpoints', endpoint)).body;
    await emitPatientCreated(hub, practiceId);
    await consumed();
    const deliveries = `/v1/endpoints/${id}/deliveries`;
    await eventually(async () => {
      expect((await hub.api('GET', deliveries)).body.data[0]?.status).toBe('failed');
    });
    await housekeeping.dropExpired(farFuture);
    expect((await hub.api('GET', '/v1/events')).body.data).toHaveLength(1);

    await hub.api('PATCH', `/v1/endpoints/${id}`, { enabled: false }, { 'if-match': '*' });
    await housekeeping.dropExpired(farFuture);
    expect((await hub.api('GET', '/v1/events')).body.data).toEqual([]);
  });

  it('finds what is open wherever it waits, and leaves nothing of it in a queue', async () => {
    const endpoint = { url: 'http://127.0.0.1:9/', eventTypes: ['patient.*'], enabled: false };
    const { id } = (await hub.api('POST', '/v1/endpoints', endpoint)).body;
    const eventIds = await emitPatientCreated(hub, practiceId, 4);
    await consumed();
    // As the engine leaves them: the first one settled, then a follower below the mark, a retry, and a new one.
    await hub.database.query(
      `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, status, attempts, last_attempt_at, next_attempt_at)
       select hub_uuid_v7(), $1, n, event_id, 'patient.created', status, attempts,
              case when attempts > 0 then now() end, case when status = 'failed' then now() + interval '1 hour' end
       from unnest($2::uuid[], '{delivered,pending,failed,pending}'::text[], '{1,0,1,0}'::smallint[])
         with ordinality as d (event_id, status, attempts, n)`,
      [id, eventIds],
    );
    await hub.database.query('update endpoint_progress set attempted_through = 3');
    await hub.database.query(
      `insert into delivery_followers (delivery_id, endpoint_id, order_key, sequence, event_id)
       select id, endpoint_id, 'key', sequence, event_id from deliveries where sequence = 2`,
    );
    await hub.database.query(
      `insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
       select id, endpoint_id, sequence, event_id, attempts, next_attempt_at from deliveries where sequence = 3`,
    );
    // One that is enabled needs them, wherever they wait.
    const enable = (enabled: boolean) =>
      hub.database.query('update endpoints set enabled = $1', [enabled]);
    for (const waiting of [
      `update endpoint_progress set attempted_through = 4`,
      `with gone as (delete from delivery_followers returning delivery_id)
       update deliveries set status = 'dead' from gone where id = delivery_id`,
    ]) {
      await enable(true);
      await housekeeping.dropExpired(farFuture);
      expect((await hub.api('GET', '/v1/events')).body.data).toHaveLength(4);
      await hub.database.query(waiting);
    }
    await hub.database.query('update endpoint_progress set attempted_through = 3');
    await enable(false);
    await housekeeping.dropExpired(farFuture);
    const { rows } = await hub.database.query('select count(*)::int as n from delivery_retries');
    expect(rows).toEqual([{ n: 0 }]);
    expect((await hub.api('GET', '/v1/events')).body.data).toEqual([]);
  });

  it('forgets what receivers answered after a week, and replays with their events', async () => {
    const endpoint = { url: 'http://127.0.0.1:9/', eventTypes: ['patient.*'], enabled: false };
    const { id } = (await hub.api('POST', '/v1/endpoints', endpoint)).body;
    await hub.database.query(
      `insert into attempt_responses (delivery_id, number, sealed_body, at)
       select gen_random_uuid(), 1, '\\x00', now() - make_interval(days => case when n > 1 then 8 else 6 end)
       from generate_series(1, 6000) as n`,
    );
    await hub.database.query(
      `insert into replays (id, endpoint_id, state, request, missing, rate_per_second, actor, correlation_id, finished_at)
       select gen_random_uuid(), $1, 'cancelled', '{}', false, 50, 'operator', 'a-spec',
              now() - make_interval(days => days)
       from unnest('{1,4000}'::int[]) as days`,
      [id],
    );
    await hub.database.query(
      `insert into replay_items (replay_id, place, event_id)
       select id, n, gen_random_uuid() from replays, generate_series(1, 6000) as n`,
    );
    await housekeeping.tick();
    const { rows } = await hub.database.query(
      `select (select count(*)::int from attempt_responses) as answers,
              (select count(*)::int from replays) as replays, (select count(*)::int from replay_items) as items`,
    );
    expect(rows).toEqual([{ answers: 1, replays: 1, items: 0 }]);
  });

  it('forgets reminders of appointments that are long over', async () => {
    const clinic = await openClinic(hub);
    const days = (count: number) => new Date(Date.now() + count * 86_400_000);
    await bookMany(hub, clinic, 6000, days(-100));
    const kept = await bookMany(hub, clinic, 2, days(-1));
    kept.push(...(await bookMany(hub, clinic, 2, days(100))));
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select count(*)::int as waiting from appointment_reminders where status = 'pending'`,
      );
      expect(rows).toEqual([{ waiting: 2 }]);
    });
    await housekeeping.tick();
    const { rows } = await hub.database.query(
      `select appointment_id as id from appointment_reminders order by 1`,
    );
    expect(rows.map(({ id }) => id)).toEqual(kept);
  });

  it('forgets idempotency keys after a day', async () => {
    await hub.database.query(
      `insert into idempotency_keys (identity, route, key, body_hash, status, created_at)
       select 'operator', 'POST /v1/practices', n::text, '\\x00', 201, now() - interval '2 days'
       from generate_series(1, 12000) as n`,
    );
    await housekeeping.tick();
    const { rows } = await hub.database.query('select count(*)::int as n from idempotency_keys');
    expect(rows[0].n).toBe(0);
  });
});
