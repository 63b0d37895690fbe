import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { eventually } from '../../../test/support/eventually.js';
import { fetchWhole } from '../../../test/support/fetch-whole.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';

let hub: TestHub;
let practiceId: string;

const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
const patient = { kind: 'human', givenName: 'Ada' };

beforeAll(async () => {
  hub = await startTestHub();
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
});
afterAll(() => hub.close());

function create(key: string, body: object = patient) {
  const path = `/v1/practices/${practiceId}/patients`;
  return hub.api('POST', path, body, { 'idempotency-key': key });
}

async function patients(): Promise<number> {
  const { rows } = await hub.database.query('select count(*)::int as n from patients');
  return rows[0].n;
}

async function events(type: string): Promise<number> {
  const { rows } = await hub.database.query(
    'select count(*)::int as n from events where type = $1',
    [type],
  );
  return rows[0].n;
}

describe('an idempotency key', () => {
  it('gives a repetition the same answer and no second event', async () => {
    const before = await events('patient.created');
    const first = await create('once');
    const second = await create('once', { givenName: 'Ada', kind: 'human' });
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(await events('patient.created')).toBe(before + 1);
  });

  it('is refused with another body', async () => {
    await create('body');
    const other = await create('body', { ...patient, givenName: 'Grace' });
    expect(other.status).toBe(422);
    expect(other.body.code).toBe('idempotency_key_reused');
  });

  it('holds for one route', async () => {
    await create('route');
    const other = await hub.api('POST', '/v1/practices', practice, { 'idempotency-key': 'route' });
    expect(other.status).toBe(201);
    expect(other.body.kind).toBe('dental');
  });

  it('is free again after a refusal, since nothing happened', async () => {
    const refused = await create('refused', { kind: 'animal', givenName: 'Biscuit' });
    expect(refused.status).toBe(422);
    expect((await create('refused')).status).toBe(201);
  });

  it('is in flight while its first request runs', async () => {
    const before = await patients();
    // The practice's lock holds the first request up, as a long transaction would.
    const blocker = await hub.database.connect();
    await blocker.query('begin');
    await blocker.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [practiceId]);
    const first = create('flight');
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select count(*)::int as n from pg_locks where locktype = 'advisory' and not granted`,
      );
      expect(rows[0].n).toBe(1);
    });
    const second = await create('flight');
    expect(second.status).toBe(409);
    expect(second.body.code).toBe('idempotency_key_in_flight');
    await blocker.query('commit');
    blocker.release();
    expect((await first).status).toBe(201);
    expect(await patients()).toBe(before + 1);
  });

  it('is forgotten after 24 hours', async () => {
    const first = await create('old');
    await hub.database.query(
      `update idempotency_keys set created_at = now() - interval '25 hours' where key = 'old'`,
    );
    const second = await create('old');
    expect(second.status).toBe(201);
    expect(second.body.id).not.toBe(first.body.id);
  });

  it('must be readable', async () => {
    expect((await create('x'.repeat(256))).status).toBe(422);
  });
});

describe('requests', () => {
  it('need the key', async () => {
    const none = await fetchWhole(`${hub.url}/v1/practices`);
    expect(none.status).toBe(401);
    expect(none.headers.get('content-type')).toContain('application/problem+json');
    expect(none.headers.get('www-authenticate')).toBe('Bearer');
    const wrong = await fetch(`${hub.url}/v1/practices`, {
      headers: { authorization: `Bearer ${hub.key}x` },
    });
    expect(await wrong.json()).toMatchObject({ status: 401, code: 'unauthorized' });
  });

  it('have their id taken over and given back', async () => {
    const given = await hub.api('GET', '/v1/practices', undefined, { 'x-request-id': 'mine-1' });
    expect(given.headers.get('x-request-id')).toBe('mine-1');
    const hostile = await hub.api('GET', '/v1/nothing', undefined, { 'x-request-id': 'a b"c' });
    expect(hostile.body.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['{"name":', 400, 'malformed_request'],
    ['[]', 422, 'validation_failed'],
    ['"text"', 422, 'validation_failed'],
    [JSON.stringify({ name: 'x'.repeat(300_000) }), 413, 'body_too_large'],
  ])('that cannot be understood get a problem: %.20s', async (body, status, code) => {
    const answer = await hub.api('POST', '/v1/practices', body);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ status, code });
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it('in another media type are refused', async () => {
    const answer = await hub.api('POST', '/v1/practices', 'name=x', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    expect(answer.body).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it.each(['gzip', 'br', 'x-unheard-of'])(
    'encoded as %s are told to come as they are',
    async (encoding) => {
      const answer = await fetchWhole(`${hub.url}/v1/practices`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${hub.key}`,
          'content-type': 'application/json',
          'content-encoding': encoding,
        },
        body: new Uint8Array(gzipSync(JSON.stringify(practice))),
      });
      expect(JSON.parse(answer.text)).toMatchObject({
        status: 415,
        code: 'unsupported_content_encoding',
        detail: expect.stringContaining('unencoded'),
      });
    },
  );

  it('that say that they are not encoded are taken', async () => {
    const plain = { 'content-encoding': 'identity' };
    expect((await hub.api('POST', '/v1/practices', practice, plain)).status).toBe(201);
  });

  it.each(['%zz', '%', '%c3', '%ff'])(
    'for a path that cannot be decoded blame the path: %s',
    async (id) => {
      const answer = await hub.api('GET', `/v1/practices/${id}`);
      expect(answer.body).toMatchObject({
        status: 400,
        code: 'malformed_request',
        detail: expect.stringMatching(/^The path cannot be decoded/),
      });
    },
  );

  it('have every fault named, with its place and without its value', async () => {
    const { body } = await hub.api('POST', '/v1/practices', {
      ...practice,
      kind: 'marker-value',
      timeZone: '+05:00',
      reminderRules: [{ leadMinutes: 'marker-value' }],
      nonsense: true,
    });
    expect(body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      '/kind',
      '/nonsense',
      '/reminderRules/0/leadMinutes',
      '/timeZone',
    ]);
    expect(JSON.stringify(body)).not.toContain('marker-value');
  });
});

describe('texts', () => {
  it('must be well-formed Unicode', async () => {
    const half = await hub.api('POST', '/v1/practices', '{"name":"Elm \\ud83d","kind":"dental"}');
    expect(half.body.errors).toContainEqual(
      expect.objectContaining({ pointer: '/name', code: 'matches' }),
    );
  });

  it('must be UTF-8, as JSON is', async () => {
    const answer = await fetch(`${hub.url}/v1/practices`, {
      method: 'POST',
      headers: { authorization: `Bearer ${hub.key}`, 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ ...practice, name: 'Müller' }), 'latin1'),
    });
    expect(await answer.json()).toMatchObject({ status: 400, code: 'malformed_request' });
  });

  it('of a media type that is none of ours are refused', async () => {
    const answer = await hub.api('POST', '/v1/practices', '{}', { 'content-type': 'text/plain' });
    expect(answer.body).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  it('are objects where objects are expected', async () => {
    const { status, body } = await hub.api('POST', '/v1/practices', {
      ...practice,
      externalIds: [[]],
    });
    expect(status).toBe(422);
    expect(body.errors[0].pointer).toBe('/externalIds');
  });
});

it('takes reminder rules back as it gave them', async () => {
  const path = `/v1/practices/${practiceId}`;
  const { body } = await hub.api('GET', path);
  const [first, second] = body.reminderRules;
  const reminderRules = [{ ...first, name: 'Soon' }, second];
  const changed = await hub.api('PATCH', path, { reminderRules }, { 'if-match': '*' });
  expect(changed.body.reminderRules).toEqual(reminderRules);
});
