import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aPractice } from '../../test/support/factories-patients.js';
import { eventually } from '../../test/support/eventually.js';
import { aGrant, aPartner, asPartner } from '../../test/support/partners.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.close());

describe('a partner', () => {
  it('is made, read, listed and renamed by the operator', async () => {
    const made = await hub.api('POST', '/v1/partners', { name: 'Prairie Recalls' });
    expect(made.status).toBe(201);
    const path = `/v1/partners/${made.body.id}`;
    expect(made.headers.get('location')).toBe(`${hub.url}${path}`);
    expect((await hub.api('GET', path)).body).toEqual(made.body);
    expect((await hub.api('PATCH', path, { name: 'Prairie' })).status).toBe(428);
    const ifMatch = { 'if-match': made.headers.get('etag')! };
    const renamed = await hub.api('PATCH', path, { name: 'Prairie' }, ifMatch);
    expect(renamed.body).toMatchObject({ name: 'Prairie', version: 2 });
    expect((await hub.api('PATCH', path, { name: 'Again' }, ifMatch)).status).toBe(412);
    const { data } = (await hub.api('GET', '/v1/partners?limit=200')).body;
    expect(data.find(({ id }: { id: string }) => id === made.body.id)).toEqual(renamed.body);
    expect((await hub.api('GET', `/v1/partners/${crypto.randomUUID()}`)).status).toBe(404);
  });

  it('has keys that are shown once, and open nothing once they are revoked', async () => {
    const partner = await aPartner(hub);
    const client = await asPartner(hub, partner);
    expect((await client.api('GET', '/v1/me')).body).toEqual({
      kind: 'partner',
      actor: `partners/${partner.id}`,
      mode: 'live',
      scopes: ['read', 'write'],
      practiceIds: [],
    });
    const keys = `/v1/partners/${partner.id}/keys`;
    const { data } = (await hub.api('GET', keys)).body;
    expect(data).toMatchObject([{ id: client.keyId, revokedAt: null }]);
    expect(JSON.stringify(data)).not.toContain(client.key);
    expect((await hub.api('DELETE', `${keys}/${client.keyId}`)).status).toBe(204);
    expect((await client.api('GET', '/v1/me')).status).toBe(401);
  });

  it('reaches with its live keys what live practices grant, with its test keys what sandboxes do', async () => {
    const [live, sandbox] = [await aPractice(hub), await aPractice(hub, { sandbox: true })];
    const partner = await aPartner(hub);
    await aGrant(hub, live, partner);
    await aGrant(hub, sandbox, partner);
    for (const [mode, practice] of [
      ['live', live],
      ['test', sandbox],
    ]) {
      const client = await asPartner(hub, partner, { mode });
      const me = (await client.api('GET', '/v1/me')).body;
      expect(me).toMatchObject({ mode, practiceIds: [practice.id] });
      const { data } = (await client.api('GET', '/v1/grants')).body;
      expect(data).toMatchObject([{ practiceId: practice.id }]);
      const other = practice === live ? sandbox : live;
      expect((await client.api('GET', `/v1/practices/${other.id}`)).status).toBe(404);
    }
  });

  it('reaches a practice from the moment its grant begins to the moment it ends', async () => {
    const practice = await aPractice(hub);
    const partner = await aPartner(hub);
    const client = await asPartner(hub, partner);
    const { rows } = await hub.database.query(
      `select clock_timestamp() + interval '600 ms' as begins, clock_timestamp() + interval '1500 ms' as ends`,
    );
    const [{ begins, ends }] = rows;
    await aGrant(hub, practice, partner, { startsAt: begins, expiresAt: ends });
    const reached = async () => (await client.api('GET', '/v1/me')).body.practiceIds;
    expect(await reached()).toEqual([]);
    await eventually(async () => expect(await reached()).toEqual([practice.id]));
    await eventually(async () => expect(await reached()).toEqual([]));
    const { now } = (await hub.database.query('select clock_timestamp() as now')).rows[0];
    expect(now.getTime()).toBeGreaterThanOrEqual(ends.getTime());
  });
});
