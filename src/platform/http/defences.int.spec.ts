import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { anApplication, asApplication } from '../../../test/support/applications.js';
import { eventually } from '../../../test/support/eventually.js';
import { aPractice } from '../../../test/support/factories-patients.js';
import { fetchWhole } from '../../../test/support/fetch-whole.js';
import { callApi, startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import { spellKey } from '../access/api-key.js';
import { addressOf, mostFailures } from './rate-limits.js';

const portal = 'https://portal.example.com';
const perSecond = 20;
let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub({
    settings: { HUB_API_RATE_LIMIT: String(perSecond), HUB_CORS_ORIGINS: portal },
  });
});
afterAll(() => hub.close());

describe('the limit of a key', () => {
  it('refuses what is too much for now, says when to come back, and leaves other keys alone', async () => {
    const application = await anApplication(hub, [await aPractice(hub)]);
    const [busy, quiet] = [
      await asApplication(hub, application),
      await asApplication(hub, application),
    ];
    // A second may begin anew in between, on a busy machine several do.
    const refused = await eventually(async () => {
      const answers = await Promise.all(
        Array.from({ length: 3 * perSecond }, () => busy.api('GET', '/v1/me')),
      );
      const some = answers.filter(({ status }) => status === 429);
      expect(some.length).toBeGreaterThanOrEqual(perSecond);
      expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(
        perSecond,
      );
      return some;
    });
    const [{ body, headers }] = refused as [(typeof refused)[0]];
    expect(body).toMatchObject({ code: 'rate_limited', status: 429 });
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(headers.get('retry-after')).toBe('1');
    expect(headers.get('ratelimit-policy')).toBe(`"key";q=${perSecond};w=1`);
    expect(headers.get('ratelimit')).toMatch(/^"key";r=0;t=1$/);
    const other = await quiet.api('GET', '/v1/me');
    expect(other.status).toBe(200);
    expect(other.headers.get('ratelimit')).toMatch(/^"key";r=\d+;t=1$/);
  });

  it('is one limit, however key and address are spelled, and for the tokens of the key too', async () => {
    const application = await anApplication(hub, [await aPractice(hub)]);
    const { key, api } = await asApplication(hub, application);
    const { token } = (await api('POST', '/v1/tokens', {})).body;
    const spellings = [
      ['/v1/me', `Bearer ${key}`],
      ['/v1/me', `bEARER   ${key}`],
      ['/%761/me', `Bearer ${key}`],
      ['/v1/me?x=1', `Bearer ${key}`],
      ['/v1/nowhere', `Bearer ${key}`],
      ['/v1/me', `Bearer ${token}`],
    ] as const;
    await eventually(async () => {
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) => {
          const [path, authorization] = spellings[i % spellings.length]!;
          return fetchWhole(`${hub.url}${path}`, { headers: { authorization } });
        }),
      );
      // Even where two windows share them, all together are let in twice at most.
      const admitted = answers.filter(({ status }) => status !== 429);
      expect(admitted.length).toBeLessThanOrEqual(2 * perSecond);
      expect(admitted.length).toBeGreaterThanOrEqual(perSecond);
    });
  });

  it('counts neither health nor metrics', async () => {
    const paths = Array.from({ length: 2 * perSecond }, () => `${hub.url}/health/live`);
    const answers = await Promise.all(paths.map((path) => fetchWhole(path)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });
});

describe('keys that open nothing', () => {
  it('are refused after a while from one address, and a valid one still opens', async () => {
    const own = await startTestHub();
    const guess = () =>
      own.api('GET', '/v1/me', undefined, {
        authorization: `Bearer ${spellKey('live', randomBytes(32))}`,
      });
    for (let i = 0; i < mostFailures; i += 1) expect((await guess()).status).toBe(401);
    const refused = await guess();
    expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await own.api('GET', '/v1/me')).status).toBe(200);
    await own.close();
  });

  it('are guesses where health is asked too, and many at once wait while keys in use are let in', async () => {
    const own = await startTestHub();
    const client = await asApplication(own, await anApplication(own, [await aPractice(own)]));
    expect((await client.api('GET', '/v1/me')).status).toBe(200);
    const guess = (path: string) =>
      callApi(own.url, spellKey('live', randomBytes(32)), 'GET', path);
    for (let i = 0; i < mostFailures; i += 1) {
      expect((await guess('/health/ready')).body.horizonHeldBy).toBeUndefined();
    }
    const begin = performance.now();
    const guesses = await Promise.all(Array.from({ length: 100 }, () => guess('/v1/me')));
    expect(new Set(guesses.map(({ status }) => status))).toEqual(new Set([429]));
    // Of those the database was asked for ten in each second, and the others may try again in the next.
    const waits = guesses.filter(({ headers }) => headers.get('retry-after') === '1');
    const seconds = Math.ceil((performance.now() - begin) / 1000) + 1;
    expect(100 - waits.length).toBeLessThanOrEqual(10 * seconds);
    expect((await client.api('GET', '/v1/me')).status).toBe(200);
    await own.close();
  });

  it('are counted by the address that a trusted proxy names, and nobody else can name one', async () => {
    for (const [trusted, isShared] of [
      ['127.0.0.0/8', false],
      ['10.0.0.0/8', true],
    ] as const) {
      const own = await startTestHub({ settings: { HUB_TRUSTED_PROXIES: trusted } });
      const guess = (from: string) =>
        callApi(own.url, spellKey('live', randomBytes(32)), 'GET', '/v1/me', undefined, {
          'x-forwarded-for': from,
        });
      for (let i = 0; i < mostFailures; i += 1) await guess(`2001:db8::${i.toString(16)}`);
      expect((await guess('2001:db8::ffff')).status).toBe(429);
      expect((await guess('203.0.113.7')).status).toBe(isShared ? 429 : 401);
      await own.close();
    }
  });

  it('are counted for a network of IPv6, since each who has one has all of its addresses', () => {
    expect(addressOf('2001:db8:1:2:aaaa::1')).toBe(addressOf('2001:db8:1:2:bbbb::2'));
    expect(addressOf('2001:db8:1:3::1')).not.toBe(addressOf('2001:db8:1:2::1'));
    expect(addressOf('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(addressOf('192.0.2.2')).not.toBe(addressOf('192.0.2.1'));
  });
});

describe('a browser', () => {
  it('is told to run nothing of others, and to show nothing in their frames', async () => {
    for (const path of ['/docs', '/v1/me', '/openapi.json', '/nowhere']) {
      const { headers } = await fetchWhole(`${hub.url}${path}`);
      expect({ path, policy: headers.get('content-security-policy') }).toEqual({
        path,
        policy: expect.stringContaining("default-src 'none'"),
      });
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('strict-transport-security')).toContain('max-age=');
    }
  });

  it('may call from the pages that the operator names, and from no other', async () => {
    const preflight = (origin: string) =>
      fetchWhole(`${hub.url}/v1/practices`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type,hub-on-behalf-of',
        },
      });
    const named = await preflight(portal);
    expect(named.status).toBe(204);
    expect(named.headers.get('access-control-allow-origin')).toBe(portal);
    expect(named.headers.get('access-control-allow-credentials')).toBeNull();
    expect(named.headers.get('access-control-allow-headers')).toContain('hub-on-behalf-of');
    const other = await preflight('https://elsewhere.example.com');
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    const closed = await startTestHub();
    const { headers } = await fetchWhole(`${closed.url}/v1/me`, { headers: { origin: portal } });
    expect(headers.get('access-control-allow-origin')).toBeNull();
    await closed.close();
  });
});

describe('what random requests have found', () => {
  it('is refused as a problem', async () => {
    const own = await startTestHub();
    const practice = await aPractice(own);
    const patients = `/v1/practices/${practice.id}/patients`;
    const half = { kind: 'human', givenName: 'Ada', email: 'ada\ud800@example.com' };
    const email = await own.api('POST', patients, half);
    expect(email.body.errors).toMatchObject([{ pointer: '/email', code: 'not_email' }]);
    const deep = `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`;
    const action = `/v1/practices/${practice.id}/appointments/${practice.id}/arrive`;
    const nested = await own.api('POST', action, deep, { 'idempotency-key': 'deep' });
    expect(nested.status).toBe(422);
    expect(nested.body.errors).toMatchObject([
      { pointer: expect.stringMatching(/^\/a(\/0){31}$/), code: 'too_deep' },
    ]);
    const long = await own.api('GET', `/v1/events/${'x'.repeat(300)}`);
    expect(long.headers.get('content-type')).toContain('application/problem+json');
    expect([long.status, long.body.code]).toEqual([414, 'uri_too_long']);
    await own.close();
  });
});
