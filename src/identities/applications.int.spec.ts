import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { aPractice } from '../../test/support/factories-patients.js';
import { anApplication, asApplication, type Client } from '../../test/support/applications.js';
import { eventually } from '../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { spellKey } from '../platform/access/api-key.js';

let hub: TestHub;
let practice: any;
let sandbox: any;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  sandbox = await aPractice(hub, { sandbox: true });
});
afterAll(() => hub.close());

async function keysOf(application: { id: string }): Promise<any[]> {
  return (await hub.api('GET', `/v1/applications/${application.id}/keys`)).body.data;
}

function me(client: Client) {
  return client.api('GET', '/v1/me');
}

describe('an application', () => {
  it('is made, read, listed and changed by the operator', async () => {
    const made = await hub.api('POST', '/v1/applications', {
      name: 'Chairside',
      practiceIds: [practice.id],
    });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`${hub.url}/v1/applications/${made.body.id}`);
    const path = `/v1/applications/${made.body.id}`;
    expect((await hub.api('GET', path)).body).toEqual(made.body);
    const changed = await hub.api(
      'PATCH',
      path,
      { practiceIds: [sandbox.id] },
      { 'if-match': made.headers.get('etag')! },
    );
    expect(changed.body).toMatchObject({
      version: 2,
      practiceIds: [sandbox.id],
      name: 'Chairside',
    });
    const listed = await hub.api('GET', '/v1/applications?limit=200');
    expect(listed.body.data).toContainEqual(changed.body);
  });

  it('cannot be given a practice that does not exist', async () => {
    const answer = await hub.api('POST', '/v1/applications', {
      name: 'Chairside',
      practiceIds: [practice.id, '01890000-0000-7000-8000-000000000000'],
    });
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toEqual([
      { pointer: '/practiceIds/1', code: 'unknown_practice', detail: 'There is no such practice.' },
    ]);
  });

  it('is known by its keys, each of one mode', async () => {
    const application = await anApplication(hub, [practice, sandbox]);
    const live = await asApplication(hub, application);
    const test = await asApplication(hub, application, { mode: 'test', scopes: ['read'] });
    expect((await me(live)).body).toEqual({
      kind: 'application',
      actor: `applications/${application.id}`,
      mode: 'live',
      scopes: ['read', 'write'],
      practiceIds: [practice.id],
    });
    expect((await me(test)).body).toMatchObject({
      mode: 'test',
      scopes: ['read'],
      practiceIds: [sandbox.id],
    });
    expect((await hub.api('GET', '/v1/me')).body).toMatchObject({
      kind: 'operator',
      practiceIds: null,
    });
  });

  it('is the actor of what it does', async () => {
    const application = await anApplication(hub, [practice]);
    const client = await asApplication(hub, application);
    const patient = await client.api('POST', `/v1/practices/${practice.id}/patients`, {
      kind: 'human',
      givenName: 'Ada',
    });
    expect(patient.status).toBe(201);
    const { rows } = await hub.database.query(
      `select distinct actor from events where subject = $1`,
      [`patients/${patient.body.id}`],
    );
    expect(rows).toEqual([{ actor: `applications/${application.id}` }]);
  });
});

describe('a key', () => {
  it('is shown once, and kept as a digest alone', async () => {
    const application = await anApplication(hub, [practice]);
    const path = `/v1/applications/${application.id}/keys`;
    const headers = { 'idempotency-key': randomBytes(8).toString('hex') };
    const made = await hub.api('POST', path, { name: 'production' }, headers);
    expect(made.body).toMatchObject({ name: 'production', mode: 'live', revokedAt: null });
    expect(made.body.key).toMatch(/^hub_live_/);
    const again = await hub.api('POST', path, { name: 'production' }, headers);
    const { key, ...rest } = made.body;
    expect(again.body).toEqual(rest);
    expect(await keysOf(application)).toEqual([rest]);
    const { rows } = await hub.database.query(
      `select exists (select from api_keys where api_keys::text like '%' || $1 || '%')
           or exists (select from idempotency_keys where idempotency_keys::text like '%' || $1 || '%') as kept`,
      [key],
    );
    expect(rows).toEqual([{ kept: false }]);
  });

  it('opens nothing once it is revoked, and the others of its owner still do', async () => {
    const application = await anApplication(hub, [practice]);
    const [first, second] = [
      await asApplication(hub, application),
      await asApplication(hub, application),
    ];
    expect((await me(first)).status).toBe(200);
    const path = `/v1/applications/${application.id}/keys/${first.keyId}`;
    expect((await hub.api('DELETE', path)).status).toBe(204);
    expect((await me(first)).status).toBe(401);
    expect((await me(second)).status).toBe(200);
    expect((await hub.api('DELETE', path)).status).toBe(204);
    const [revoked] = await keysOf(application);
    expect(revoked.revokedAt).not.toBeNull();
  });

  it('opens nothing once it has expired', async () => {
    const application = await anApplication(hub, [practice]);
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const client = await asApplication(hub, application, { expiresAt });
    expect((await me(client)).status).toBe(200);
    await hub.database.query(
      `update api_keys set expires_at = clock_timestamp() - interval '1 ms' where id = $1`,
      [client.keyId],
    );
    await eventually(async () => expect((await me(client)).status).toBe(401));
    const late = { name: 'late', expiresAt: '2020-01-01T00:00:00Z' };
    const refused = await hub.api('POST', `/v1/applications/${application.id}/keys`, late);
    expect(refused.body.errors).toMatchObject([{ pointer: '/expiresAt', code: 'in_the_past' }]);
  });

  it('does only what its scopes say', async () => {
    const application = await anApplication(hub, [practice]);
    const reader = await asApplication(hub, application, { scopes: ['read'] });
    const patients = `/v1/practices/${practice.id}/patients`;
    expect((await reader.api('GET', patients)).status).toBe(200);
    const refused = await reader.api('POST', patients, { kind: 'human', givenName: 'Ada' });
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ code: 'scope_missing', scope: 'write' });
    const writer = await asApplication(hub, application, { scopes: ['write'] });
    expect((await writer.api('GET', patients)).status).toBe(403);
  });

  it('is refused where it is not of the hub, whatever it looks like', async () => {
    const made = spellKey('live', randomBytes(32));
    for (const key of [made, `${made.slice(0, -1)}0`, 'hub_live_x', 'x'.repeat(5000)]) {
      const { status, body } = await hub.api('GET', '/v1/me', undefined, {
        authorization: `Bearer ${key}`,
      });
      expect({ status, code: body.code }).toEqual({ status: 401, code: 'unauthorized' });
    }
  });

  it('tells when it was used last', async () => {
    const own = await startTestHub({ databaseUrl: hub.databaseUrl });
    const application = await anApplication(hub, [practice]);
    const client = await asApplication(own, application);
    await me(client);
    // Uses are written now and then, and at the end.
    await own.close();
    const [key] = await keysOf(application);
    expect(Date.now() - Date.parse(key.lastUsedAt)).toBeLessThan(60_000);
  });
});
