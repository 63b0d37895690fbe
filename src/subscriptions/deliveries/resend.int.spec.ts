import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { eventually } from '../../../test/support/eventually.js';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { aPractice } from '../../../test/support/factories-patients.js';
import { startWebhookReceiver } from '../../../test/support/webhook-receiver.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { Signals } from '../../database/signals.js';
import { Deliverer } from './deliverer.js';
import { shardOf } from './shard-owner.js';

let hub: TestHub;
let endpointId: string;
let eventId: string;

beforeAll(async () => {
  hub = await startTestHub();
  // Before any endpoint, so that nothing of it is delivered by itself.
  [eventId] = (await emitPatientCreated(hub, (await aPractice(hub)).id)) as [string];
});
afterAll(() => hub.close());

/** Disabled where not said otherwise, so that nothing sends what the test puts there. */
async function createEndpoint(enabled = false, url = 'http://127.0.0.1:9/'): Promise<string> {
  const input = { url, eventTypes: ['*'], enabled };
  return (await hub.api('POST', '/v1/endpoints', input)).body.id;
}

beforeEach(async () => {
  endpointId = await createEndpoint();
});

/** A delivery as the engine would have left it; a retry is far away. Returns its id. */
async function insert(status: string, attempts: number, event = eventId): Promise<string> {
  const id = uuidv7();
  await hub.database.query(
    `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, status, attempts, withheld_reason,
       next_attempt_at, last_attempt_at, last_duration_ms, last_outcome)
     select $1, $2, 1, $5, 'patient.created', $3::text, $4::smallint,
            case when $3 = 'withheld' then 'expired' end,
            case when $3 = 'failed' then now() + interval '1 hour' end,
            last.at, last.duration_ms, last.outcome
     from (select) as one left join (values (now(), 12, 'timeout')) as last (at, duration_ms, outcome) on $4 > 0`,
    [id, endpointId, status, attempts, event],
  );
  return id;
}

describe('resend', () => {
  const resend = (id: string, headers?: Record<string, string>): Promise<ApiAnswer> =>
    hub.api('POST', `/v1/deliveries/${id}/resend`, undefined, headers);

  it.each([
    ['delivered', 1],
    ['dead', 9],
    ['failed', 2],
  ])('makes another attempt of a %s delivery due at once', async (status, attempts) => {
    endpointId = await createEndpoint(true);
    const told = new Set<string>();
    const off = hub.app.get(Signals).on('deliveries', (keys) => {
      if (keys !== 'all') for (const key of keys) told.add(key);
    });
    const id = await insert(status, attempts);
    const { status: code, body } = await resend(id);
    off();
    expect(code).toBe(200);
    expect(body).toMatchObject({ id, status: 'failed', attemptCount: attempts });
    expect(body.attempts.at(-1)).toMatchObject({ number: attempts });
    expect(body.nextAttemptReason).toBe('requested');
    const { rows } = await hub.database.query('select $1::timestamptz <= now() as due', [
      body.nextAttemptAt,
    ]);
    expect(rows).toEqual([{ due: true }]);
    expect(told).toContain(String(shardOf(endpointId)));
  });

  it('stands in the queue, and what waits there already keeps what it holds up', async () => {
    endpointId = await createEndpoint(true);
    // Held, so that the engine leaves both where they are until the test has looked.
    const engine = await hub.database.connect();
    try {
      const [dead, failed] = [await insert('dead', 9), await insert('failed', 2)];
      await hub.database.query(
        `insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at, order_key)
         select id, endpoint_id, sequence, event_id, attempts, next_attempt_at, 'a key' from deliveries where id = $1`,
        [failed],
      );
      await engine.query('begin');
      await engine.query('select from delivery_shards for update');
      for (const id of [dead, failed]) expect((await resend(id)).status).toBe(200);
      const { rows } = await hub.database.query(
        `select delivery_id, sequence, event_id, attempts, order_key, next_attempt_at <= now() as due
         from delivery_retries where endpoint_id = $1 order by attempts`,
        [endpointId],
      );
      const of = { sequence: '1', event_id: eventId, due: true };
      expect(rows).toEqual([
        { ...of, delivery_id: failed, attempts: 2, order_key: 'a key' },
        { ...of, delivery_id: dead, attempts: 9, order_key: null },
      ]);
    } finally {
      await engine.query('rollback');
      engine.release();
    }
  });

  it('is told apart from what the schedule wants, until the attempt is made', async () => {
    endpointId = await createEndpoint(true);
    const engine = await hub.database.connect();
    try {
      await engine.query('begin');
      await engine.query('select from delivery_shards for update');
      const id = await insert('failed', 2);
      const listed = async () => {
        const { body } = await hub.api('GET', `/v1/endpoints/${endpointId}/deliveries`);
        // Events of another test may still be on their way.
        return body.data.find((delivery: { id: string }) => delivery.id === id);
      };
      expect(await listed()).toMatchObject({ status: 'failed', nextAttemptReason: 'retry' });
      await resend(id);
      expect(await listed()).toMatchObject({ status: 'failed', nextAttemptReason: 'requested' });
      // As the engine records a failure: it need not know of the request.
      const failed = `update deliveries set attempts = 3 where id = $1`;
      await hub.database.query(failed, [id]);
      expect(await listed()).toMatchObject({ nextAttemptReason: 'retry' });
      expect((await hub.api('GET', `/v1/deliveries/${id}`)).body.nextAttemptReason).toBe('retry');
      const over = `update deliveries set status = 'dead', next_attempt_at = null where id = $1`;
      await hub.database.query(over, [id]);
      expect(await listed()).toMatchObject({ status: 'dead', nextAttemptReason: null });
    } finally {
      await engine.query('rollback');
      engine.release();
    }
  });

  it('tries an open circuit at once, before all that waits there, and closes it', async () => {
    const receiver = await startWebhookReceiver();
    try {
      endpointId = await createEndpoint(true, `${receiver.url}/mended`);
      const [waiting, dead] = [await insert('failed', 3), await insert('dead', 9)];
      await hub.database.query(
        `with health as (
           insert into endpoint_health (endpoint_id, failing_since, open_until, probes_failed)
           values ($2, now(), now() + interval '1 hour', 7))
         insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
         select id, endpoint_id, sequence, event_id, attempts, now() - interval '1 minute' from deliveries where id = $1`,
        [waiting, endpointId],
      );
      hub.app.get(Signals).emit('deliveries', [String(shardOf(endpointId))]);
      // The lane is there, and knows of the pause.
      await eventually(() => expect(hub.app.get(Deliverer).mayTake(endpointId)).toBe(true));
      expect(receiver.requests).toEqual([]);
      expect((await resend(dead)).status).toBe(200);
      const first = await receiver.waitFor(() => true);
      expect(first.headers['hub-attempt']).toBe('10');
      await receiver.waitFor(({ headers }) => headers['hub-attempt'] === '4');
      await eventually(async () => {
        const { body } = await hub.api('GET', `/v1/endpoints/${endpointId}`);
        expect(body).toMatchObject({ pausedUntil: null, status: 'active' });
      });
    } finally {
      await receiver.close();
    }
  });

  it('happens once under one Idempotency-Key', async () => {
    endpointId = await createEndpoint(true);
    const id = await insert('delivered', 1);
    const key = { 'idempotency-key': uuidv7() };
    const first = await resend(id, key);
    const again = await resend(id, key);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
  });

  it.each([
    ['not_attempted_yet', 'pending', 0],
    ['delivery_withheld', 'withheld', 0],
    ['endpoint_disabled', 'dead', 9],
  ])('is a conflict: %s', async (code, before, attempts) => {
    const id = await insert(before, attempts);
    const { status, body } = await resend(id);
    expect(status).toBe(409);
    expect(body.code).toBe(code);
    const after = await hub.api('GET', `/v1/deliveries/${id}`);
    expect(after.body.status).toBe(before);
  });

  it('is a conflict where the event has passed retention', async () => {
    endpointId = await createEndpoint(true);
    const id = await insert('dead', 9, uuidv7());
    expect(await resend(id)).toMatchObject({ status: 409, body: { code: 'event_expired' } });
  });

  it('is a conflict where the event does not open any more', async () => {
    endpointId = await createEndpoint(true);
    const [event] = await emitPatientCreated(hub, (await aPractice(hub)).id);
    const id = await insert('dead', 9, event);
    await hub.database.query(
      `begin; set local session_replication_role = replica;
       update events set sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) where id = '${event}'; commit`,
    );
    expect(await resend(id)).toMatchObject({ status: 409, body: { code: 'event_unreadable' } });
    expect((await hub.api('GET', `/v1/deliveries/${id}`)).body.status).toBe('dead');
  });

  it('is 404 when the endpoint is deleted, or where there is no such delivery', async () => {
    const id = await insert('delivered', 1);
    await hub.api('DELETE', `/v1/endpoints/${endpointId}`, undefined, { 'if-match': '*' });
    expect((await resend(id)).status).toBe(404);
    expect((await resend(uuidv7())).status).toBe(404);
  });
});
