import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { v7 as uuidv7 } from 'uuid';
import { eventually } from '../support/eventually.js';
import { fetchWhole } from '../support/fetch-whole.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../support/start-hub.js';

let hub: TestHub;
let practiceId: string;

beforeAll(async () => {
  hub = await startTestHub();
  const practice = {
    name: 'Elm Street',
    kind: 'dental',
    timeZone: 'America/Chicago',
    currency: 'USD',
  };
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
});
afterAll(() => hub.close());

const valid = { url: 'https://partner.example.com/hook', eventTypes: ['patient.*'] };

async function create(input: object = {}, headers?: Record<string, string>): Promise<ApiAnswer> {
  return hub.api('POST', '/v1/endpoints', { ...valid, ...input }, headers);
}

function change(endpoint: { id: string; version: number }, body: object): Promise<ApiAnswer> {
  return hub.api('PATCH', `/v1/endpoints/${endpoint.id}`, body, {
    'if-match': `"${endpoint.version}"`,
  });
}

describe('an endpoint', () => {
  it('is created with defaults, and its secret verifies what it signs', async () => {
    const { status, headers, body } = await create();
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`${hub.url}/v1/endpoints/${body.id}`);
    expect(headers.get('etag')).toBe('"1"');
    expect(body).toEqual({
      id: expect.any(String),
      owner: 'operator',
      ...valid,
      practiceIds: null,
      payloadMode: 'full',
      enabled: true,
      description: null,
      status: 'active',
      pausedUntil: null,
      disabledReason: null,
      lastSequence: 0,
      pending: 0,
      ownership: 'assumed',
      signingKeys: [{ kind: 'hmac', createdAt: expect.any(String), expiresAt: null }],
      filter: null,
      headers: null,
      contentType: 'application/json',
      timeoutSeconds: null,
      maxConcurrency: null,
      ratePerSecond: null,
      ordering: 'none',
      retrySchedule: 'default',
      excludeOwn: false,
      metadata: null,
      version: 1,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
      secret: expect.stringMatching(/^whsec_/),
    });
    const webhook = new Webhook(body.secret);
    const at = new Date();
    const signature = webhook.sign('msg', at, '{}');
    const signed = {
      'webhook-id': 'msg',
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': signature,
    };
    expect(webhook.verify('{}', signed)).toEqual({});
  });

  it('keeps every field it was given', async () => {
    const input = {
      url: 'http://127.0.0.1:9/hook',
      eventTypes: ['*', 'appointment.*', 'patient.created'],
      practiceIds: [practiceId.toUpperCase()],
      payloadMode: 'thin',
      enabled: false,
      description: 'The night shift\nof the partner',
    };
    const { body } = await create(input);
    const { secret: _, ...shown } = body;
    expect(shown).toMatchObject({ ...input, practiceIds: [practiceId], status: 'disabled' });
    const read = await hub.api('GET', `/v1/endpoints/${body.id}`);
    expect(read.body).toEqual(shown);
    expect(read.headers.get('etag')).toBe('"1"');
  });

  it('shows its secret once, whatever is asked afterwards', async () => {
    const key = { 'idempotency-key': uuidv7() };
    const first = await create({}, key);
    const { secret, ...shown } = first.body;
    expect(secret).toMatch(/^whsec_/);

    const again = await create({}, key);
    expect(again.status).toBe(201);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual(shown);

    const changed = await change(first.body, { description: 'x' });
    const everything = [
      (await hub.api('GET', `/v1/endpoints/${shown.id}`)).body,
      (await hub.api('GET', '/v1/endpoints?limit=200')).body,
      changed.body,
      (await hub.database.query('select * from idempotency_keys')).rows,
    ];
    expect(JSON.stringify(everything)).toContain(shown.id);
    expect(JSON.stringify(everything)).not.toContain(secret.slice('whsec_'.length));
  });

  it('begins with what was in flight when it was made, and not with what was settled', async () => {
    const writer = await hub.database.connect();
    try {
      await writer.query('begin');
      const { rows } = await writer.query('select pg_current_xact_id()::text as id');
      const inFlight = BigInt(rows[0].id);
      // A later transaction that is finished already: the beginning must lie before the open one all the same.
      await hub.database.query('select pg_current_xact_id()');
      const during = (await create()).body.id;
      await writer.query('commit');
      const beginningOf = async (id: string) => {
        const beginnings = await hub.database.query(
          `select from_generation = hub_generation() as current, from_xact_id::text as from_xact_id
           from endpoints where id = $1`,
          [id],
        );
        return beginnings.rows[0];
      };
      const first = await beginningOf(during);
      expect(first.current).toBe(true);
      expect(BigInt(first.from_xact_id) <= inFlight).toBe(true);
      // Other tests' transactions on the same server may be open for a while longer.
      await eventually(async () => {
        const { from_xact_id } = await beginningOf((await create()).body.id);
        expect(BigInt(from_xact_id) > inFlight).toBe(true);
      });
    } finally {
      writer.release();
    }
  });

  it('counts its position and what is open', async () => {
    const { id } = (await create({ enabled: false })).body;
    await hub.database.query(
      'update endpoint_counters set last_sequence = 12 where endpoint_id = $1',
      [id],
    );
    await hub.database.query(
      `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, status, attempts, last_attempt_at, next_attempt_at)
       select hub_uuid_v7(), $1, n, gen_random_uuid(), 'patient.created', status, attempts,
              case when attempts > 0 then now() end, case when status = 'failed' then now() end
       from (values (10, 'delivered', 1), (11, 'failed', 2), (12, 'pending', 0)) as d (n, status, attempts)`,
      [id],
    );
    await hub.database.query(
      `insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
       select id, endpoint_id, sequence, event_id, attempts, next_attempt_at
       from deliveries where endpoint_id = $1 and status = 'failed'`,
      [id],
    );
    const { body } = await hub.api('GET', `/v1/endpoints/${id}`);
    expect(body).toMatchObject({ lastSequence: 12, pending: 2 });
    const list = await hub.api('GET', '/v1/endpoints?limit=200');
    expect(list.body.data).toContainEqual(body);
  });
});

describe('refuses', () => {
  const faults: [string, object, string, string][] = [
    ['no URL', { url: undefined }, '/url', 'not_string'],
    ['something that is no URL', { url: 'partner' }, '/url', 'url_malformed'],
    ['another scheme', { url: 'ftp://partner.example.com' }, '/url', 'url_scheme_not_allowed'],
    ['http to the world', { url: 'http://93.184.216.34/' }, '/url', 'url_scheme_not_allowed'],
    ['credentials in the URL', { url: 'https://me:pw@a.example/' }, '/url', 'url_has_credentials'],
    ['a fragment', { url: 'https://a.example/#x' }, '/url', 'url_has_fragment'],
    ['a private address', { url: 'https://10.0.0.8/' }, '/url', 'url_address_not_allowed'],
    ['no event types', { eventTypes: undefined }, '/eventTypes', 'not_array'],
    ['an empty list of types', { eventTypes: [] }, '/eventTypes', 'array_min_size'],
    ['a type twice', { eventTypes: ['*', '*'] }, '/eventTypes', 'array_unique'],
    ['an unknown type', { eventTypes: ['*', 'patient.x'] }, '/eventTypes/1', 'unknown_event_type'],
    ['an unknown family', { eventTypes: ['pat.*'] }, '/eventTypes/0', 'unknown_event_type'],
    ['half a name', { eventTypes: ['patient*'] }, '/eventTypes/0', 'unknown_event_type'],
    ['no practice', { practiceIds: [] }, '/practiceIds', 'array_min_size'],
    ['a practice that is no id', { practiceIds: ['elm'] }, '/practiceIds', 'not_uuid'],
    ['another payload mode', { payloadMode: 'all' }, '/payloadMode', 'not_in'],
    ['text for a flag', { enabled: 'yes' }, '/enabled', 'not_boolean'],
    ['a description without end', { description: 'x'.repeat(501) }, '/description', 'max_length'],
    ['a filter that says nothing', { filter: {} }, '/filter', 'malformed_filter'],
    ['what only the hub sets', { secret: 'whsec_x' }, '/secret', 'unknown_field'],
  ];

  it.each(faults)('%s', async (_, input, pointer, code) => {
    const { status, headers, body } = await create(input);
    expect(status).toBe(422);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(body.code).toBe('validation_failed');
    expect(body.errors).toContainEqual(expect.objectContaining({ pointer, code }));
  });

  it('an unknown practice, and names every fault at once', async () => {
    const { body } = await create({
      url: 'https://10.0.0.8/',
      eventTypes: ['nothing.*'],
      practiceIds: [practiceId, uuidv7()],
    });
    expect(body.errors.map(({ pointer, code }: any) => [pointer, code])).toEqual([
      ['/url', 'url_address_not_allowed'],
      ['/eventTypes/0', 'unknown_event_type'],
      ['/practiceIds/1', 'unknown_practice'],
    ]);
  });

  it('the same faults in a change, and null where something must be', async () => {
    const { body: endpoint } = await create();
    const wrong = await change(endpoint, { url: 'https://10.0.0.8/', eventTypes: ['nothing.*'] });
    expect(wrong.body.errors).toHaveLength(2);
    const nothing = { url: null, eventTypes: null, enabled: null, payloadMode: null };
    const empty = await change(endpoint, nothing);
    expect(empty.status).toBe(422);
    expect(empty.body.errors.map(({ pointer }: any) => pointer).sort()).toEqual([
      '/enabled',
      '/eventTypes',
      '/payloadMode',
      '/url',
    ]);
    const { body } = await hub.api('GET', `/v1/endpoints/${endpoint.id}`);
    expect(body).toMatchObject({ ...valid, version: 1 });
  });

  it('whoever has no key', async () => {
    const answer = await fetchWhole(`${hub.url}/v1/endpoints`);
    expect(answer.status).toBe(401);
  });
});

describe('the list', () => {
  it('goes through all in order of creation, page by page', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.push((await create()).body.id);
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const after: string = cursor ? `&after=${cursor}` : '';
      const page: ApiAnswer = await hub.api('GET', `/v1/endpoints?limit=2${after}`);
      expect(page.body.data.length).toBeLessThanOrEqual(2);
      expect(page.headers.has('hub-position')).toBe(cursor === null);
      seen.push(...page.body.data.map(({ id }: any) => id));
      cursor = page.body.nextCursor;
      pages++;
    } while (cursor);
    expect(pages).toBeGreaterThan(2);
    expect(seen).toEqual([...new Set(seen)].sort());
    expect(seen.slice(-5)).toEqual(made);
  });

  it('shows what has changed since a time', async () => {
    const { body: old } = await create();
    const { body: recent } = await create();
    const { body: changed } = await change(recent, { description: 'x' });
    const later = new Date(Date.parse(changed.updatedAt) + 60_000).toISOString();
    await hub.database.query('update endpoints set updated_at = $2 where id = $1', [
      recent.id,
      later,
    ]);
    const since = new Date(Date.parse(later) - 1000).toISOString();
    const { body } = await hub.api('GET', `/v1/endpoints?updatedSince=${since}`);
    expect(body.data.map(({ id }: any) => id)).toEqual([recent.id]);
    expect(body.data).not.toContainEqual(expect.objectContaining({ id: old.id }));
  });

  it('refuses a cursor it did not give', async () => {
    const { status, body } = await hub.api('GET', '/v1/endpoints?after=abc');
    expect(status).toBe(422);
    expect(body.errors).toEqual([
      expect.objectContaining({ parameter: 'after', code: 'unknown_cursor' }),
    ]);
  });
});
