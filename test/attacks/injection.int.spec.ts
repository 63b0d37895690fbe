import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { openApiDocument } from '../../src/platform/http/open-api.js';
import { operationsOf, type Operation } from '../support/malformed.js';
import { callApi, startTestHub, type ApiAnswer, type TestHub } from '../support/start-hub.js';
import { pathOf, rowsOf, someThings, type Things } from '../support/things.js';

/*
 * Texts that are commands where they are read by the wrong part: to the database, to the protocol, to JavaScript.
 */

jest.setTimeout(300_000);

const sql = [
  `' or '1'='1`,
  `'; drop table patients; --`,
  `x'); delete from patients; --`,
  `') union select given_name, family_name from patients --`,
  `1; select pg_sleep(60)`,
  `\\'; truncate events; --`,
  `$1`,
  `%' or 1=1 --`,
  `{"$gt":""}`,
];

let hub: TestHub;
let things: Things;
let operations: Operation[];
let before: Map<string, number>;

beforeAll(async () => {
  hub = await startTestHub({ settings: { HUB_API_RATE_LIMIT: '0' } });
  things = await someThings(hub);
  operations = operationsOf(openApiDocument(hub.app));
});
afterAll(() => hub.close());
beforeEach(async () => {
  before = await rowsOf(hub);
});

/** Queues, whose rows go as soon as they are worked off. */
const queues = ['audit_unsealed'];

/** Nothing is gone: tables stand, and none has fewer rows. */
async function assertNothingGone(): Promise<void> {
  const after = await rowsOf(hub);
  for (const [table, rows] of before) {
    if (queues.includes(table)) continue;
    expect({ table, isLess: (after.get(table) ?? -1) < rows }).toEqual({ table, isLess: false });
  }
}

function expectRefusal(what: object, { status, body }: ApiAnswer): void {
  const isRefused = status >= 400 && status < 500 && typeof body.code === 'string';
  expect({ ...what, status, isRefused }).toEqual({ ...what, status, isRefused: true });
}

describe('SQL', () => {
  it('in a parameter of a path names nothing', async () => {
    for (const { method, template } of operations) {
      for (const [, name] of template.matchAll(/\{(\w+)\}/g)) {
        // Each is told from an id in the same way.
        for (const text of sql.slice(0, 3)) {
          const path = pathOf(template, things.known, (other) =>
            other === name ? encodeURIComponent(text) : undefined,
          );
          const answer = await things.client.api(
            method,
            path,
            method === 'POST' || method === 'PATCH' ? {} : undefined,
            { 'if-match': '*' },
          );
          expectRefusal({ method, path }, answer);
        }
      }
    }
    await assertNothingGone();
  });

  it('in a filter, a cursor or a limit finds nothing', async () => {
    for (const { method, template, queryNames } of operations) {
      for (const name of queryNames) {
        for (const each of sql) {
          const text = name === 'externalId' ? `system|${each}` : each;
          const path = `${pathOf(template, things.known)}?${name}=${encodeURIComponent(text)}`;
          const { status, body } = await hub.api(method, path);
          // What is understood as a text of another system's finds what has that id: nothing.
          const found = status === 200 ? body.data : [];
          expect({
            path,
            isFine: status === 200 || (status >= 400 && status < 500),
            found,
          }).toEqual({ path, isFine: true, found: [] });
        }
      }
    }
    await assertNothingGone();
  });

  it('in a body is a text like any other', async () => {
    const path = pathOf('/v1/practices/{practiceId}/patients', things.known);
    for (const text of sql) {
      const made = await hub.api('POST', path, {
        kind: 'animal',
        givenName: text,
        familyName: text,
        species: text,
        breed: text,
        externalIds: [{ system: 'old', value: text }],
      });
      expect(made.status).toBe(201);
      const { body } = await hub.api('GET', `${path}/${made.body.id}`);
      expect(body).toMatchObject({ givenName: text, familyName: text, species: text, breed: text });
      const found = await hub.api('GET', `${path}?externalId=${encodeURIComponent(`old|${text}`)}`);
      expect(found.body.data.map(({ id }: { id: string }) => id)).toEqual([made.body.id]);
    }
    await assertNothingGone();
  });

  it('in a header reaches no statement', async () => {
    const path = pathOf('/v1/practices/{practiceId}/patients', things.known);
    for (const text of sql) {
      for (const name of ['idempotency-key', 'traceparent', 'x-request-id', 'hub-on-behalf-of']) {
        const made = await hub.api(
          'POST',
          path,
          { kind: 'human', givenName: 'Ada' },
          { [name]: text },
        );
        expect({ name, text, isFine: [201, 422].includes(made.status) }).toEqual({
          name,
          text,
          isFine: true,
        });
      }
      const key = await callApi(hub.url, text, 'GET', '/v1/me');
      expect(key.status).toBe(401);
      const match = await hub.api(
        'PATCH',
        path.replace(/\/patients$/, ''),
        {},
        { 'if-match': text },
      );
      expect(match.status).toBe(400);
    }
    await assertNothingGone();
  });
});

describe('a line break', () => {
  const broken = ['a\r\nx-injected: 1', 'a\nb', 'a\rb', 'a\u0000b', 'a\u0085b\u2028'];

  it('in a header of an endpoint’s is refused, in its name as in its value', async () => {
    const path = pathOf('/v1/endpoints/{endpointId}', things.known);
    for (const text of broken) {
      for (const headers of [{ 'x-tenant': text }, { [text]: 'x' }]) {
        const answer = await hub.api('PATCH', path, { headers }, { 'if-match': '*' });
        expectRefusal({ headers }, answer);
      }
    }
    // Nor may it say who the hub is, or what belongs to the connection.
    for (const name of [
      'webhook-signature',
      'Hub-Sequence',
      'ce-id',
      'host',
      'content-length',
      'transfer-encoding',
      'connection',
      'Content-Type',
      'expect',
    ]) {
      const answer = await hub.api(
        'PATCH',
        path,
        { headers: { [name]: 'x' } },
        { 'if-match': '*' },
      );
      expectRefusal({ name }, answer);
    }
  });

  it('in an id of another system’s, a name or an address is refused', async () => {
    const path = pathOf('/v1/practices/{practiceId}/patients', things.known);
    for (const text of broken.slice(0, 4)) {
      const patient = { kind: 'human', givenName: 'Ada' };
      for (const body of [
        { ...patient, externalIds: [{ system: 'old', value: text }] },
        { ...patient, externalIds: [{ system: text, value: '1' }] },
        { ...patient, givenName: text },
        { ...patient, email: `${text}@example.com` },
        { ...patient, phone: text },
      ]) {
        expectRefusal(body, await hub.api('POST', path, body));
      }
      const url = `http://127.0.0.1:9/${text}`;
      expectRefusal({ url }, await hub.api('POST', '/v1/endpoints', { url, eventTypes: ['*'] }));
    }
    await assertNothingGone();
  });

  it('in a request id, percent-encoded or not, comes back in no header', async () => {
    for (const id of ['a%0d%0ax-injected:1', 'a b', 'a"b', 'x'.repeat(129), '../../x', '<b>']) {
      const { headers, body } = await hub.api('GET', '/v1/nowhere', undefined, {
        'x-request-id': id,
      });
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(headers.get('x-injected')).toBeNull();
      expect(body.requestId).toBe(headers.get('x-request-id'));
    }
  });
});

describe('the prototype of all objects', () => {
  const attacks = [
    '"__proto__":{"isAdmin":true,"kind":"operator"}',
    '"constructor":{"prototype":{"isAdmin":true}}',
    '"prototype":{"isAdmin":true}',
    '"__proto__":null',
    '"__proto__":[]',
  ];
  const places = [
    (attack: string) => `{${attack}}`,
    ...['metadata', 'filter', 'headers', 'holder', 'payer', 'type', 'owner'].map(
      (name) => (attack: string) => `{"${name}":{${attack}}}`,
    ),
    ...['externalIds', 'providers', 'reminderRules'].map(
      (name) => (attack: string) => `{"${name}":[{${attack}}]}`,
    ),
    (attack: string) => `{"filter":{"$and":[{"amount":{${attack}}}]}}`,
  ];

  it('is out of reach of every body', async () => {
    const bodies = operations.filter(({ method }) => method === 'POST' || method === 'PATCH');
    for (const { method, template } of bodies) {
      const isRepresentative = /\/(patients|payments|endpoints)$/.test(template);
      for (const attack of isRepresentative ? attacks : attacks.slice(0, 2)) {
        for (const place of isRepresentative ? places : places.slice(0, 1)) {
          const answer = await hub.api(method, pathOf(template, things.known), place(attack), {
            'if-match': '*',
          });
          expectRefusal({ method, template, body: place(attack) }, answer);
        }
      }
    }
    assertUntouched();
    await assertNothingGone();
  });

  it('is out of reach of every query and filter', async () => {
    for (const query of [
      '__proto__[isAdmin]=1',
      '__proto__.isAdmin=1',
      'constructor[prototype]=1',
      '__proto__=1',
    ]) {
      const answer = await hub.api('GET', `/v1/practices?${query}`);
      expectRefusal({ query }, answer);
    }
    for (const field of [
      '__proto__',
      'constructor',
      'toString',
      '__proto__.isAdmin',
      'a.constructor',
    ]) {
      const answer = await hub.api('POST', '/v1/endpoints', {
        url: 'http://127.0.0.1:9/',
        eventTypes: ['*'],
        filter: { [field]: 1 },
      });
      expectRefusal({ field }, answer);
    }
    assertUntouched();
  });

  function assertUntouched(): void {
    expect(({} as Record<string, unknown>).isAdmin).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(([] as unknown as Record<string, unknown>).isAdmin).toBeUndefined();
  }
});
