import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub?.close());

const input = {
  name: 'Elm Street Dental',
  kind: 'dental',
  timeZone: 'America/Chicago',
  currency: 'USD',
};
const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]+$/);

const post = (change: object = {}, headers?: Record<string, string>) =>
  hub.api('POST', '/v1/practices', { ...input, ...change }, headers);
const make = async (change: object = {}) => (await post(change)).body;
const patch = (practice: any, body: object) =>
  hub.api('PATCH', `/v1/practices/${practice.id}`, body, {
    'if-match': `"${practice.version}"`,
  });
const externalIds = (value: string) => [{ system: 'open-dental', value }];

describe('a new practice', () => {
  it('is answered as it can be read again, with the default reminders', async () => {
    const answer = await post({ externalIds: externalIds('new') });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('etag')).toBe('"1"');
    expect(answer.headers.get('location')).toBe(`${hub.url}/v1/practices/${answer.body.id}`);
    expect(answer.body).toEqual({
      ...input,
      id: uuid,
      sandbox: false,
      requiresAgreements: true,
      externalIds: externalIds('new'),
      reminderRules: [
        { id: uuid, leadMinutes: 30, onLate: 'nearest' },
        { id: uuid, leadDays: 1, onLate: 'nearest' },
      ],
      version: 1,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: answer.body.createdAt,
    });
    const got = await hub.api('GET', `/v1/practices/${answer.body.id}`);
    expect(got).toMatchObject({ status: 200, body: answer.body });
    expect(got.headers.get('etag')).toBe('"1"');
  });

  it('keeps the reminder rules it was given', async () => {
    const rules = [
      { name: 'soon', leadMinutes: 60, onLate: 'fire_now' },
      { leadDays: 2, at: '09:00', onLate: 'skip' },
      { leadDays: 2 },
    ];
    const { reminderRules } = await make({ reminderRules: rules });
    expect(reminderRules).toEqual(rules.map((rule) => ({ id: uuid, onLate: 'nearest', ...rule })));
    expect(await make({ reminderRules: [] })).toMatchObject({ reminderRules: [] });
  });

  it.each([
    [{ name: '' }, '/name', 'min_length'],
    [{ name: 'a\u0000b' }, '/name', 'matches'],
    [{ kind: 'hospital' }, '/kind', 'not_in'],
    [{ timeZone: 'Chicago' }, '/timeZone', 'not_time_zone'],
    [{ timeZone: '+02:00' }, '/timeZone', 'not_time_zone'],
    [{ currency: 'usd' }, '/currency', 'not_currency'],
    [{ sandbox: 'yes' }, '/sandbox', 'not_boolean'],
    [{ owner: 'me' }, '/owner', 'unknown_field'],
    [{ externalIds: [{ system: 'x' }] }, '/externalIds/0/value', 'not_string'],
    [{ externalIds: {} }, '/externalIds', 'not_array'],
    [{ reminderRules: [{}] }, '/reminderRules/0', 'one_lead'],
    [{ reminderRules: [{ leadMinutes: 5, leadDays: 1 }] }, '/reminderRules/0', 'one_lead'],
    [{ reminderRules: [{ leadMinutes: 5, at: '09:00' }] }, '/reminderRules/0/at', 'at_needs_days'],
    [
      { reminderRules: [{ leadMinutes: 5 }, { leadMinutes: 5, name: 'again' }] },
      '/reminderRules/1',
      'repeated_lead',
    ],
    [{ reminderRules: [{ leadMinutes: 0 }] }, '/reminderRules/0/leadMinutes', 'min'],
    [{ reminderRules: [{ leadDays: 1, at: '9:00' }] }, '/reminderRules/0/at', 'matches'],
  ])('is refused: %j', async (change, pointer, code) => {
    const { status, headers, body } = await post(change, { 'x-request-id': 'r-1' });
    expect(status).toBe(422);
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(body).toMatchObject({
      type: 'urn:practice-event-hub:problem:validation_failed',
      title: 'Unprocessable Entity',
      status: 422,
      code: 'validation_failed',
      requestId: 'r-1',
    });
    expect(body.errors).toContainEqual(expect.objectContaining({ pointer, code }));
  });

  it('is told every fault at once, and none of the values', async () => {
    const { body } = await hub.api('POST', '/v1/practices', { name: 5, secret: 'Ada Byrne' });
    expect(body.errors.map(({ pointer }: any) => pointer)).toEqual(
      expect.arrayContaining(['/name', '/kind', '/timeZone', '/currency', '/secret']),
    );
    expect(JSON.stringify(body)).not.toContain('Ada');
  });

  it('is refused where the body cannot be read', async () => {
    expect(await hub.api('POST', '/v1/practices', '{"name": ')).toMatchObject({
      status: 400,
      body: { code: 'malformed_request' },
    });
    expect((await hub.api('POST', '/v1/practices', '[]')).status).toBe(422);
  });

  it('needs the key', async () => {
    for (const authorization of ['', 'Bearer wrong', `Basic ${hub.key}`]) {
      const answer = await post({}, { authorization });
      expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    }
  });
});

describe('a change', () => {
  it('touches what it names and makes a new version', async () => {
    const practice = await make();
    const answer = await patch(practice, { name: 'Oak', timeZone: 'Europe/Berlin' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('etag')).toBe('"2"');
    expect(answer.body).toEqual({
      ...practice,
      name: 'Oak',
      timeZone: 'Europe/Berlin',
      version: 2,
      updatedAt: expect.any(String),
    });
    expect((await hub.api('GET', `/v1/practices/${practice.id}`)).body).toEqual(answer.body);
  });

  it('keeps the id of a rule whose lead stays', async () => {
    const practice = await make();
    const [minutes] = practice.reminderRules;
    const { body } = await patch(practice, {
      reminderRules: [{ leadDays: 3 }, { leadMinutes: 30, name: 'soon', onLate: 'skip' }],
    });
    expect(body.reminderRules).toEqual([
      { id: uuid, leadDays: 3, onLate: 'nearest' },
      { id: minutes.id, leadMinutes: 30, name: 'soon', onLate: 'skip' },
    ]);
  });

  it('needs the version it was made from', async () => {
    const practice = await make();
    const without = await hub.api('PATCH', `/v1/practices/${practice.id}`, { name: 'A' });
    expect(without).toMatchObject({ status: 428, body: { code: 'if_match_required' } });
    expect((await patch(practice, { name: 'A' })).status).toBe(200);
    expect(await patch(practice, { name: 'B' })).toMatchObject({
      status: 412,
      body: { code: 'stale' },
    });
    const any = await hub.api(
      'PATCH',
      `/v1/practices/${practice.id}`,
      { name: 'C' },
      {
        'if-match': '*',
      },
    );
    expect(any.body).toMatchObject({ name: 'C', version: 3 });
  });

  it('of many at once lets one through', async () => {
    const practice = await make();
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, i) => patch(practice, { name: `Name ${i}` })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412]);
  });

  it.each([
    [{ kind: 'medical' }, '/kind'],
    [{ currency: 'EUR' }, '/currency'],
    [{ sandbox: true }, '/sandbox'],
    [{ name: null }, '/name'],
    [{ externalIds: null }, '/externalIds'],
    [{ timeZone: 'Mars/Olympus' }, '/timeZone'],
  ])('is refused: %j', async (body, pointer) => {
    const answer = await patch(await make(), body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].pointer).toBe(pointer);
  });

  it('needs a practice that is there', async () => {
    const nowhere = { id: '019a0f5e-7c00-7000-8000-000000000001', version: 1 };
    expect((await patch(nowhere, { name: 'A' })).status).toBe(404);
    for (const id of [nowhere.id, 'none']) {
      expect(await hub.api('GET', `/v1/practices/${id}`)).toMatchObject({
        status: 404,
        body: { code: 'not_found' },
      });
    }
  });
});

describe('external ids', () => {
  it('find a practice and belong to one only', async () => {
    const practice = await make({ externalIds: externalIds('one') });
    const found = await hub.api('GET', '/v1/practices?externalId=open-dental|one');
    expect(found.body).toEqual({ data: [practice], nextCursor: null });
    const none = await hub.api('GET', '/v1/practices?externalId=open-dental|none');
    expect(none.body.data).toEqual([]);
    expect(await post({ externalIds: externalIds('one') })).toMatchObject({
      status: 409,
      body: { code: 'external_id_taken' },
    });
    const twice = [...externalIds('two'), ...externalIds('three')];
    expect((await post({ externalIds: twice })).body.errors).toMatchObject([
      { pointer: '/externalIds', code: 'external_id_repeated' },
    ]);
  });

  it('given up are free for another', async () => {
    const practice = await make({ externalIds: externalIds('free') });
    const { body } = await patch(practice, { externalIds: externalIds('moved') });
    expect(body.externalIds).toEqual(externalIds('moved'));
    expect((await post({ externalIds: externalIds('free') })).status).toBe(201);
  });
});

describe('the list', () => {
  it('goes through all practices in order of creation, page by page', async () => {
    const made: string[] = [];
    for (let i = 0; i < 5; i += 1) made.push((await make()).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: any = await hub.api(
        'GET',
        `/v1/practices?limit=2${cursor ? `&after=${cursor}` : ''}`,
      );
      expect(page.body.data.length).toBeLessThanOrEqual(2);
      const position = page.headers.get('hub-position');
      if (cursor) expect(position).toBeNull();
      else expect(position).toMatch(/^\d+\.\d+\.\d+$/);
      seen.push(...page.body.data.map(({ id }: any) => id));
      cursor = page.body.nextCursor;
    } while (cursor);
    expect(seen.slice(-5)).toEqual(made);
    expect(new Set(seen).size).toBe(seen.length);
    expect([...seen].sort()).toEqual(seen);
  });

  it('shows with updatedSince what has changed, at any offset', async () => {
    const practice = await make();
    await make();
    const { body } = await patch(practice, { name: 'Changed' });
    const inBerlin = new Date(Date.parse(body.updatedAt) + 3_600_000)
      .toISOString()
      .replace('Z', '+01:00');
    const answer = await hub.api(
      'GET',
      `/v1/practices?updatedSince=${encodeURIComponent(inBerlin)}`,
    );
    expect(answer.body.data.map(({ id }: any) => id)).toEqual([practice.id]);
  });

  it.each(['limit=0', 'limit=201', 'limit=x', 'after=x', 'updatedSince=yesterday', 'externalId=x'])(
    'refuses %s',
    async (query) => {
      const { status, body } = await hub.api('GET', `/v1/practices?${query}`);
      expect(status).toBe(422);
      expect(body.errors[0]).toMatchObject({ parameter: query.split('=')[0] });
    },
  );
});
