import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { Signals } from '../../database/signals.js';
import { shardOf } from './shard-owner.js';

let hub: TestHub;
let endpointId: string;

beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.close());

/** Disabled where not said otherwise, so that nothing sends what the test puts there. */
async function createEndpoint(enabled = false): Promise<string> {
  const input = { url: 'http://127.0.0.1:9/', eventTypes: ['*'], enabled };
  return (await hub.api('POST', '/v1/endpoints', input)).body.id;
}

beforeEach(async () => {
  endpointId = await createEndpoint();
});

/** A delivery as the engine would have left it; a retry is far away. Returns its id. */
async function insert(status: string, attempts: number): Promise<string> {
  const id = uuidv7();
  await hub.database.query(
    `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, status, attempts, withheld_reason,
       next_attempt_at, last_attempt_at, last_duration_ms, last_outcome)
     select $1, $2, 1, gen_random_uuid(), 'patient.created', $3::text, $4::smallint,
            case when $3 = 'withheld' then 'expired' end,
            case when $3 = 'failed' then now() + interval '1 hour' end,
            last.at, last.duration_ms, last.outcome
     from (select) as one left join (values (now(), 12, 'timeout')) as last (at, duration_ms, outcome) on $4 > 0`,
    [id, endpointId, status, attempts],
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
    const { rows } = await hub.database.query('select $1::timestamptz <= now() as due', [
      body.nextAttemptAt,
    ]);
    expect(rows).toEqual([{ due: true }]);
    expect(told).toContain(String(shardOf(endpointId)));
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

  it('is 404 when the endpoint is deleted, or where there is no such delivery', async () => {
    const id = await insert('delivered', 1);
    await hub.api('DELETE', `/v1/endpoints/${endpointId}`, undefined, { 'if-match': '*' });
    expect((await resend(id)).status).toBe(404);
    expect((await resend(uuidv7())).status).toBe(404);
  });
});
