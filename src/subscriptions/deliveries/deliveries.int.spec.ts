import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v4 as uuidv4, v7 as uuidv7 } from 'uuid';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { bindingOfResponse } from '../../sealing/bindings.js';
import { DataKeys } from '../../sealing/data-keys.js';

let hub: TestHub;
let endpointId: string;

beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.close());

/** Disabled, so that nothing sends what the test puts there. */
async function createEndpoint(): Promise<string> {
  const input = { url: 'http://127.0.0.1:9/', eventTypes: ['*'], enabled: false };
  return (await hub.api('POST', '/v1/endpoints', input)).body.id;
}

beforeEach(async () => {
  endpointId = await createEndpoint();
});

const lastAttempt = new Date('2026-03-08T14:30:00.250Z');
const worked = [lastAttempt, 12, 'succeeded', 204, null];
const refused = [lastAttempt, 12, 'http_status', 503, 'the receiver answered 503'];
const nextAttempt = new Date('2100-01-01T00:00:00.000Z');

interface Row {
  endpointId?: string;
  sequence: number;
  madeAt?: string;
  eventType?: string;
  practiceId?: string;
  status?: string;
  attempts?: number;
}

/** A delivery as the engine would have left it. Returns its id. */
async function insert(row: Row): Promise<string> {
  const { sequence, eventType = 'patient.created', practiceId = null, status = 'delivered' } = row;
  const { attempts = status === 'pending' ? 0 : 1 } = row;
  const id = uuidv7({ msecs: row.madeAt ? Date.parse(row.madeAt) : Date.now() });
  const attempt = status === 'delivered' ? worked : refused;
  const last = attempts > 0 ? attempt : [null, null, null, null, null];
  await hub.database.query(
    `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id, status, attempts,
       next_attempt_at, withheld_reason, last_attempt_at, last_duration_ms, last_outcome, last_status_code, last_error)
     values ($1, $2, $3, gen_random_uuid(), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    [
      id,
      row.endpointId ?? endpointId,
      sequence,
      eventType,
      practiceId,
      status,
      attempts,
      status === 'failed' ? nextAttempt : null,
      status === 'withheld' ? 'expired' : null,
      ...last,
    ],
  );
  // As the engine has it: what is due for another attempt stands in the queue too.
  await hub.database.query(
    `insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
     select id, endpoint_id, sequence, event_id, attempts, next_attempt_at
     from deliveries where id = $1 and status = 'failed'`,
    [id],
  );
  return id;
}

const list = (query = ''): Promise<ApiAnswer> =>
  hub.api('GET', `/v1/endpoints/${endpointId}/deliveries${query}`);

async function sequencesOf(query: string): Promise<number[]> {
  const { status, body } = await list(query);
  expect(status).toBe(200);
  expect(body.nextCursor).toBeNull();
  return body.data.map(({ sequence }: any) => sequence);
}

describe("the list of an endpoint's deliveries", () => {
  it('shows each one, newest number first', async () => {
    const practiceId = uuidv4();
    const first = await insert({ sequence: 1, practiceId, madeAt: '2026-03-08T14:00:00.000Z' });
    const second = await insert({ sequence: 2, status: 'failed', attempts: 3 });
    await insert({ sequence: 9, endpointId: await createEndpoint() });
    const { body } = await list();
    expect(body).toEqual({ data: [expect.anything(), expect.anything()], nextCursor: null });
    expect(body.data[0]).toMatchObject({
      id: second,
      sequence: 2,
      practiceId: null,
      status: 'failed',
      attempts: 3,
      nextAttemptAt: nextAttempt.toISOString(),
      lastOutcome: 'http_status',
      lastStatusCode: 503,
      lastError: 'the receiver answered 503',
    });
    expect(body.data[1]).toEqual({
      id: first,
      endpointId,
      eventId: expect.any(String),
      eventType: 'patient.created',
      practiceId,
      sequence: 1,
      status: 'delivered',
      attempts: 1,
      nextAttemptAt: null,
      nextAttemptReason: null,
      lastAttemptAt: lastAttempt.toISOString(),
      lastDurationMs: 12,
      lastOutcome: 'succeeded',
      lastStatusCode: 204,
      lastError: null,
      withheldReason: null,
      replayId: null,
      createdAt: '2026-03-08T14:00:00.000Z',
    });
  });

  it('pages by number, also when newer ones come in between', async () => {
    for (let sequence = 1; sequence <= 5; sequence++) await insert({ sequence });
    const first = await list('?limit=2');
    expect(first.body.data.map(({ sequence }: any) => sequence)).toEqual([5, 4]);
    await insert({ sequence: 6 });
    const second = await list(`?limit=2&after=${first.body.nextCursor}`);
    expect(second.body.data.map(({ sequence }: any) => sequence)).toEqual([3, 2]);
    expect(await sequencesOf(`?limit=2&after=${second.body.nextCursor}`)).toEqual([1]);
  });

  it('filters by status', async () => {
    const statuses = ['pending', 'failed', 'delivered', 'dead', 'withheld'];
    for (const [i, status] of statuses.entries()) await insert({ sequence: i + 1, status });
    for (const [i, status] of statuses.entries()) {
      expect(await sequencesOf(`?status=${status}`)).toEqual([i + 1]);
    }
    expect(await sequencesOf('?status=dead,pending')).toEqual([4, 1]);
    expect(await sequencesOf('?status=failed,pending')).toEqual([2, 1]);
  });

  it('looks for what is open only where it can be', async () => {
    for (let sequence = 1; sequence <= 3; sequence++) await insert({ sequence });
    await insert({ sequence: 4, status: 'pending' });
    const mark = (through: number) =>
      hub.database.query(
        'update endpoint_progress set attempted_through = $2 where endpoint_id = $1',
        [endpointId, through],
      );
    await mark(3);
    expect(await sequencesOf('?status=pending')).toEqual([4]);
    // A follower lies below the mark, and so does what waits for another attempt.
    await hub.database.query(
      `insert into delivery_followers (delivery_id, endpoint_id, order_key, sequence, event_id)
       select id, endpoint_id, 'key', sequence, event_id from deliveries where endpoint_id = $1 and sequence = 4`,
      [endpointId],
    );
    await insert({ sequence: 5, status: 'failed' });
    await mark(5);
    expect(await sequencesOf('?status=pending')).toEqual([4]);
    expect(await sequencesOf('?status=failed')).toEqual([5]);
    expect(await sequencesOf('?status=failed,pending')).toEqual([5, 4]);
  });

  it('filters by types, families and practices', async () => {
    const [elm, oak] = [uuidv4(), uuidv4()];
    await insert({ sequence: 1, eventType: 'patient.created', practiceId: elm });
    await insert({ sequence: 2, eventType: 'appointment.scheduled', practiceId: elm });
    await insert({ sequence: 3, eventType: 'appointment.cancelled', practiceId: oak });
    await insert({ sequence: 4, eventType: 'appointments.else' });
    expect(await sequencesOf('?eventTypes=patient.created')).toEqual([1]);
    expect(await sequencesOf('?eventTypes=appointment.*')).toEqual([3, 2]);
    expect(await sequencesOf('?eventTypes=appointment.scheduled,patient.*')).toEqual([2, 1]);
    expect(await sequencesOf('?eventTypes=*')).toEqual([4, 3, 2, 1]);
    expect(await sequencesOf(`?practiceIds=${oak}`)).toEqual([3]);
    expect(await sequencesOf(`?practiceIds=${elm},${oak}&eventTypes=appointment.*`)).toEqual([
      3, 2,
    ]);
  });

  it('filters by when they were made: from inclusive, to exclusive', async () => {
    await insert({ sequence: 1, madeAt: '2026-03-08T14:00:00.000Z' });
    await insert({ sequence: 2, madeAt: '2026-03-08T15:00:00.000Z' });
    await insert({ sequence: 3, madeAt: '2026-03-08T16:00:00.000Z' });
    expect(await sequencesOf('?from=2026-03-08T15:00:00Z')).toEqual([3, 2]);
    expect(await sequencesOf('?to=2026-03-08T15:00:00Z')).toEqual([1]);
    const offset = encodeURIComponent('2026-03-08T08:30:00-06:00');
    expect(await sequencesOf(`?from=${offset}&to=2026-03-08T15:30:00Z`)).toEqual([2]);
    expect(await sequencesOf('?from=1900-01-01T00:00:00Z')).toEqual([3, 2, 1]);
  });

  it('gives up a scan that finds too little, and goes on from there', async () => {
    const wanted = await insert({ sequence: 1, status: 'dead' });
    await hub.database.query(
      `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, status, attempts, last_attempt_at)
       select hub_uuid_v7(), $1, n, gen_random_uuid(), 'patient.created', 'delivered', 1, now()
       from generate_series(2, 50001) as n`,
      [endpointId],
    );
    const first = await list('?status=dead');
    expect(first.body.data).toEqual([]);
    expect(first.body.nextCursor).not.toBeNull();
    const second = await list(`?status=dead&after=${first.body.nextCursor}`);
    expect(second.body.data.map(({ id }: any) => id)).toEqual([wanted]);
    expect(second.body.nextCursor).toBeNull();
  });

  it.each([
    ['?status=lost', 'status'],
    ['?eventTypes=patient*', 'eventTypes'],
    ['?practiceIds=elm', 'practiceIds'],
    ['?from=2026-03-08T15:00:00', 'from'],
    ['?to=yesterday', 'to'],
    ['?after=zzz', 'after'],
    ['?limit=0', 'limit'],
    ['?colour=red', 'colour'],
  ])('refuses %s', async (query, parameter) => {
    const { status, body } = await list(query);
    expect(status).toBe(422);
    expect(body.errors).toContainEqual(expect.objectContaining({ parameter }));
  });

  it('is not there for an endpoint that is not', async () => {
    const path = (id: string) => `/v1/endpoints/${id}/deliveries`;
    expect((await hub.api('GET', path(uuidv7()))).status).toBe(404);
    expect((await hub.api('GET', path('none'))).status).toBe(404);
  });
});

describe('a delivery', () => {
  it('shows its attempts in order, the last from its own row', async () => {
    const id = await insert({ sequence: 1, attempts: 3 });
    await hub.database.query(
      `insert into delivery_attempts (delivery_id, number, at, duration_ms, outcome, status_code, error)
       values ($1, 2, '2026-03-08T14:20:00Z', 15000, 'timeout', null, 'no answer'),
              ($1, 1, '2026-03-08T14:10:00Z', 7, 'http_status', 500, 'the receiver answered 500')`,
      [id],
    );
    const { status, body } = await hub.api('GET', `/v1/deliveries/${id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, endpointId, sequence: 1, attemptCount: 3 });
    expect(body.attempts).toEqual([
      {
        number: 1,
        at: '2026-03-08T14:10:00.000Z',
        durationMs: 7,
        outcome: 'http_status',
        statusCode: 500,
        error: 'the receiver answered 500',
      },
      {
        number: 2,
        at: '2026-03-08T14:20:00.000Z',
        durationMs: 15000,
        outcome: 'timeout',
        error: 'no answer',
      },
      {
        number: 3,
        at: lastAttempt.toISOString(),
        durationMs: 12,
        outcome: 'succeeded',
        statusCode: 204,
      },
    ]);
  });

  it('shows what the receiver answered, where that is kept', async () => {
    const id = await insert({ sequence: 1, attempts: 3, status: 'dead' });
    await hub.database.query(
      `insert into delivery_attempts (delivery_id, number, at, duration_ms, outcome)
       values ($1, 1, now(), 1, 'timeout'), ($1, 2, now(), 1, 'http_status')`,
      [id],
    );
    const { own } = hub.app.get(DataKeys);
    const sealed = (text: string, number: number) => own.seal(text, bindingOfResponse(id, number));
    await hub.database.query(
      `insert into attempt_responses (delivery_id, number, sealed_body) values ($1, 2, $2), ($1, 3, $3)`,
      [id, sealed('no such hook', 2), sealed('', 3)],
    );
    const { body } = await hub.api('GET', `/v1/deliveries/${id}`);
    expect(body.attempts.map(({ response }: any) => response)).toEqual([
      undefined,
      'no such hook',
      '',
    ]);
  });

  it('is gone with its endpoint', async () => {
    const id = await insert({ sequence: 1 });
    expect((await hub.api('GET', `/v1/deliveries/${id}`)).status).toBe(200);
    await hub.api('DELETE', `/v1/endpoints/${endpointId}`, undefined, { 'if-match': '*' });
    expect((await hub.api('GET', `/v1/deliveries/${id}`)).status).toBe(404);
  });

  it('has no attempts before the first, and is 404 where there is none', async () => {
    const id = await insert({ sequence: 1, status: 'pending' });
    const { body } = await hub.api('GET', `/v1/deliveries/${id}`);
    expect(body).toMatchObject({ status: 'pending', attemptCount: 0, attempts: [] });
    expect((await hub.api('GET', `/v1/deliveries/${uuidv7()}`)).status).toBe(404);
    expect((await hub.api('GET', '/v1/deliveries/none')).status).toBe(404);
  });
});
