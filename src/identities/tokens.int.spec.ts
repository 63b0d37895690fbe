import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { anApplication, asApplication, type Client } from '../../test/support/applications.js';
import { eventually } from '../../test/support/eventually.js';
import { aPatient, aPractice } from '../../test/support/factories-patients.js';
import { fetchWhole } from '../../test/support/fetch-whole.js';
import { aGrant, aPartner, asPartner } from '../../test/support/partners.js';
import {
  callApi,
  startTestHub,
  testKey,
  type ApiAnswer,
  type TestHub,
} from '../../test/support/start-hub.js';
import { spellToken } from '../platform/access/api-key.js';

let hub: TestHub;
let practice: any;
let other: any;
let sandbox: any;
let foreign: any;
let application: any;
let client: Client;

beforeAll(async () => {
  hub = await startTestHub();
  [practice, other, foreign] = [await aPractice(hub), await aPractice(hub), await aPractice(hub)];
  sandbox = await aPractice(hub, { sandbox: true });
  application = await anApplication(hub, [practice, other, sandbox]);
  client = await asApplication(hub, application);
});
afterAll(() => hub.close());

async function minted(body: object = {}, from: Pick<Client, 'api'> = client): Promise<string> {
  const answer = await from.api('POST', '/v1/tokens', body);
  expect(answer.status).toBe(201);
  return answer.body.token;
}

function as(token: string, method: string, path: string, body?: unknown): Promise<ApiAnswer> {
  return callApi(hub.url, token, method, path, body);
}

function patientsOf({ id }: { id: string }): string {
  return `/v1/practices/${id}/patients`;
}

describe('a token', () => {
  it('does what its key does, for five minutes where nothing else is said', async () => {
    const before = Date.now();
    const { body } = await client.api('POST', '/v1/tokens', {});
    expect(Object.keys(body).sort()).toEqual(['expiresAt', 'token']);
    expect(body.token).toMatch(/^hub_token_[0-9A-Za-z]{49}$/);
    const seconds = (Date.parse(body.expiresAt) - before) / 1000;
    expect(seconds).toBeGreaterThan(290);
    expect(seconds).toBeLessThan(330);
    const [mine, whole] = [
      await as(body.token, 'GET', '/v1/me'),
      await client.api('GET', '/v1/me'),
    ];
    expect(mine.body).toEqual(whole.body);
    const made = await as(body.token, 'POST', patientsOf(practice), {
      kind: 'human',
      givenName: 'Ada',
    });
    expect(made.status).toBe(201);
  });

  it('is kept as a digest alone, and shown once', async () => {
    const headers = { 'idempotency-key': randomBytes(8).toString('hex') };
    const { body } = await client.api('POST', '/v1/tokens', {}, headers);
    const again = await client.api('POST', '/v1/tokens', {}, headers);
    expect(again.body).toEqual({ expiresAt: body.expiresAt });
    const { rows } = await hub.database.query(
      `select exists (select from access_tokens as t where t::text like '%' || $1 || '%')
           or exists (select from idempotency_keys as k where k::text like '%' || $1 || '%') as kept`,
      [body.token],
    );
    expect(rows).toEqual([{ kept: false }]);
  });

  it('can be of fewer scopes, and of a key with one scope whatever that is', async () => {
    const reading = await minted({ scopes: ['read'] });
    expect((await as(reading, 'GET', patientsOf(practice))).status).toBe(200);
    const refused = await as(reading, 'POST', patientsOf(practice), {
      kind: 'human',
      givenName: 'Ada',
    });
    expect([refused.status, refused.body.code]).toEqual([403, 'scope_missing']);
    const reader = await asApplication(hub, application, { scopes: ['read'] });
    expect((await as(await minted({}, reader), 'GET', '/v1/me')).body.scopes).toEqual(['read']);
    const wider = await reader.api('POST', '/v1/tokens', { scopes: ['read', 'write'] });
    expect(wider.body.errors).toMatchObject([{ pointer: '/scopes/1', code: 'scope_missing' }]);
  });

  it('can be of fewer practices, and then sees nothing of the others by any route', async () => {
    const token = await minted({ practiceIds: [practice.id] });
    await aPatient(hub, other);
    expect((await as(token, 'GET', '/v1/me')).body.practiceIds).toEqual([practice.id]);
    const { body } = await as(token, 'GET', '/v1/practices');
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual([practice.id]);
    expect((await as(token, 'GET', patientsOf(practice))).status).toBe(200);
    expect((await as(token, 'GET', patientsOf(other))).status).toBe(404);
    const feed = await as(token, 'GET', '/v1/events?limit=200');
    const practices = new Set(feed.body.data.map((event: any) => event.practiceid));
    expect([...practices]).toEqual([practice.id]);
    // What is its owner's own tells of the others too.
    const partner = await aPartner(hub);
    const grant = await aGrant(client, other, partner);
    const ofGrants = '/v1/events?limit=200&eventTypes=grant.created';
    const [event] = await eventually(async () => {
      const { data } = (await client.api('GET', ofGrants)).body;
      expect(data).toMatchObject([{ data: { grantId: grant.id } }]);
      return data;
    });
    expect((await as(token, 'GET', ofGrants)).body.data).toEqual([]);
    expect((await as(token, 'GET', `/v1/events/${event.id}`)).status).toBe(404);
    // An endpoint hears of all that its owner reaches.
    const endpoints = await as(token, 'GET', '/v1/endpoints');
    expect([endpoints.status, endpoints.body.code]).toEqual([403, 'key_required']);
  });

  it('is of no practice that its key does not reach, told as one that does not exist', async () => {
    const ask = async (id: string) =>
      (await client.api('POST', '/v1/tokens', { practiceIds: [practice.id, id] })).body.errors;
    const errors = await ask(foreign.id);
    expect(errors).toMatchObject([{ pointer: '/practiceIds/1', code: 'unknown_practice' }]);
    expect(await ask(crypto.randomUUID())).toEqual(errors);
    // A live key does not reach the sandbox of its own application.
    expect(await ask(sandbox.id)).toEqual(errors);
  });

  it('of a test key reaches what test keys reach', async () => {
    const tester = await asApplication(hub, application, { mode: 'test' });
    const me = await as(await minted({}, tester), 'GET', '/v1/me');
    expect(me.body).toMatchObject({ mode: 'test', practiceIds: [sandbox.id] });
  });

  it('of a partner shows what its grants do, of fewer practices where it says so', async () => {
    const partner = await aPartner(hub);
    const grant = await aGrant(hub, practice, partner);
    const elsewhere = await aGrant(hub, other, partner);
    const own = await asPartner(hub, partner);
    const whole = await as(await minted({}, own), 'GET', '/v1/me');
    expect(whole.body).toMatchObject({ kind: 'partner' });
    expect(whole.body.practiceIds).toHaveLength(2);
    const token = await minted({ practiceIds: [practice.id] }, own);
    const paymentsOf = ({ id }: { id: string }) => `/v1/practices/${id}/payments`;
    expect((await as(token, 'GET', paymentsOf(practice))).status).toBe(200);
    expect((await as(token, 'GET', paymentsOf(other))).status).toBe(404);
    expect((await as(token, 'GET', patientsOf(practice))).status).toBe(404);
    const grants = await as(token, 'GET', '/v1/grants');
    expect(grants.body.data).toEqual([expect.objectContaining({ id: grant.id })]);
    expect((await as(token, 'GET', `/v1/grants/${grant.id}`)).status).toBe(200);
    expect((await as(token, 'GET', `/v1/grants/${elsewhere.id}`)).status).toBe(404);
    expect((await own.api('GET', '/v1/grants')).body.data).toHaveLength(2);
  });

  it('of an application with fewer practices shows what these grant', async () => {
    const partner = await aPartner(hub);
    const grant = await aGrant(hub, practice, partner);
    const elsewhere = await aGrant(hub, other, partner);
    const token = await minted({ practiceIds: [practice.id], scopes: ['read'] });
    const { body } = await as(token, 'GET', '/v1/grants?limit=200');
    const ids = body.data.map(({ id }: { id: string }) => id);
    expect(ids).toContain(grant.id);
    expect(ids).not.toContain(elsewhere.id);
  });

  it('of the operator is the operator’s, of all practices', async () => {
    const token = await minted({ scopes: ['read'] }, hub);
    expect((await as(token, 'GET', '/v1/applications')).status).toBe(200);
    const change = await as(token, 'POST', '/v1/applications', { name: 'x', practiceIds: [] });
    expect([change.status, change.body.code]).toEqual([403, 'scope_missing']);
    const some = await hub.api('POST', '/v1/tokens', { practiceIds: [practice.id] });
    expect(some.body.errors).toMatchObject([{ code: 'not_for_operator' }]);
  });

  it('makes nothing that would outlast it: neither tokens nor keys', async () => {
    const own = await minted();
    const more = await as(own, 'POST', '/v1/tokens', {});
    expect([more.status, more.body.code]).toEqual([403, 'key_required']);
    const operators = await minted({}, hub);
    const key = await as(operators, 'POST', `/v1/applications/${application.id}/keys`, {
      name: 'to stay',
    });
    expect([key.status, key.body.code]).toEqual([403, 'key_required']);
  });

  it.each([
    [{ expiresInSeconds: 3601 }, '/expiresInSeconds'],
    [{ expiresInSeconds: 0 }, '/expiresInSeconds'],
    [{ expiresInSeconds: 1.5 }, '/expiresInSeconds'],
    [{ scopes: [] }, '/scopes'],
    [{ practiceIds: [] }, '/practiceIds'],
    [{ owner: 'operator' }, '/owner'],
  ])('is refused as %j', async (body, pointer) => {
    const answer = await client.api('POST', '/v1/tokens', body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toMatchObject([{ pointer }]);
  });
});

describe('a token that is not good', () => {
  async function refused(token: string): Promise<void> {
    const { status, body, headers } = await as(token, 'GET', '/v1/me');
    expect({ status, code: body.code }).toEqual({ status: 401, code: 'unauthorized' });
    expect(headers.get('www-authenticate')).toBe('Bearer');
  }

  it('opens nothing: tampered with, cut off, made up, of another hub, in another place', async () => {
    const token = await minted();
    const swapped = token.at(-10) === 'a' ? 'b' : 'a';
    await refused(token.slice(0, -10) + swapped + token.slice(-9));
    await refused(token.slice(0, -1));
    await refused(`${token}0`);
    await refused(token.toLowerCase());
    await refused(spellToken(randomBytes(32)));
    const another = await startTestHub();
    const foreignToken = (await another.api('POST', '/v1/tokens', {})).body.token;
    await another.close();
    await refused(foreignToken);
    // In an address it would lie in logs and histories.
    for (const name of ['token', 'access_token']) {
      const answer = await fetchWhole(`${hub.url}/v1/me?${name}=${token}`);
      expect(answer.status).toBe(401);
    }
  });

  it('opens nothing once its time is over, by the database’s clock', async () => {
    const token = await minted({ expiresInSeconds: 1 });
    expect((await as(token, 'GET', '/v1/me')).status).toBe(200);
    await eventually(() => refused(token), 5_000);
  });

  it('opens nothing once its key is revoked, on another hub too, and within two seconds', async () => {
    const own = await asApplication(hub, application);
    const token = await minted({}, own);
    const second = await startTestHub({ databaseUrl: hub.databaseUrl });
    expect((await callApi(second.url, token, 'GET', '/v1/me')).status).toBe(200);
    expect((await as(token, 'GET', '/v1/me')).status).toBe(200);
    await hub.api('DELETE', `/v1/applications/${application.id}/keys/${own.keyId}`);
    await refused(token);
    await eventually(
      async () => expect((await callApi(second.url, token, 'GET', '/v1/me')).status).toBe(401),
      2_500,
    );
    await second.close();
  });

  it('loses the practices that its application loses', async () => {
    const app = await anApplication(hub, [practice, other]);
    const token = await minted({ practiceIds: [other.id] }, await asApplication(hub, app));
    expect((await as(token, 'GET', patientsOf(other))).status).toBe(200);
    await hub.api(
      'PATCH',
      `/v1/applications/${app.id}`,
      { practiceIds: [practice.id] },
      {
        'if-match': '*',
      },
    );
    expect((await as(token, 'GET', patientsOf(other))).status).toBe(404);
  });

  it('of the operator ends with the operator’s key', async () => {
    const token = await minted({}, hub);
    const changed = await startTestHub({
      databaseUrl: hub.databaseUrl,
      settings: { HUB_OPERATOR_KEY: 'hub_live_the-next-operator-of-the-tests' },
    });
    expect((await callApi(changed.url, token, 'GET', '/v1/me')).status).toBe(401);
    expect((await callApi(changed.url, testKey, 'GET', '/v1/me')).status).toBe(401);
    await changed.close();
  });
});
