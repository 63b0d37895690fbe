import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication } from '../../test/support/applications.js';
import { aPractice } from '../../test/support/factories-patients.js';
import { aGrant, aPartner, asPartner, inDays } from '../../test/support/partners.js';
import { readEvents } from '../../test/support/sealed.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let practice: any;
let partner: any;
let path: string;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  partner = await aPartner(hub);
  path = `/v1/practices/${practice.id}/grants`;
});
afterAll(() => hub.close());

const anyVersion = { 'if-match': '*' };

function grantBody(change: object = {}): object {
  return {
    partnerId: partner.id,
    eventTypes: ['payment.*'],
    payloadMode: 'minimum',
    readMode: 'none',
    agreementReference: 'BAA-7',
    purpose: 'Reconciliation',
    expiresAt: inDays(90),
    ...change,
  };
}

async function setVersion(): Promise<number> {
  const { rows } = await hub.database.query('select version::int from endpoint_set_version');
  return rows[0].version;
}

/** What was said of a grant, to whom, in the log's order. */
async function toldOf(grant: { id: string }, owner?: string): Promise<any[]> {
  const events = await readEvents(hub.database, 'subject = $1', [`grants/${grant.id}`]);
  return events.filter(({ source }) => owner === undefined || source === `/${owner}`);
}

describe('a grant', () => {
  it('is made by the practice’s own application, read and listed', async () => {
    const application = await anApplication(hub, [practice]);
    const client = await asApplication(hub, application);
    const before = await setVersion();
    const made = await client.api('POST', path, grantBody());
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`${hub.url}${path}/${made.body.id}`);
    expect(made.headers.get('etag')).toBe('"1"');
    expect(made.body).toMatchObject({
      practiceId: practice.id,
      partnerId: partner.id,
      eventTypes: ['payment.*'],
      payloadMode: 'minimum',
      readMode: 'none',
      agreementReference: 'BAA-7',
      purpose: 'Reconciliation',
      revokedAt: null,
      status: 'active',
      version: 1,
    });
    expect(made.body).not.toHaveProperty('expiringToldFor');
    expect(await setVersion()).toBe(before + 1);
    for (const at of [path, '/v1/grants']) {
      expect((await client.api('GET', `${at}/${made.body.id}`)).body).toEqual(made.body);
      const { data } = (await client.api('GET', at)).body;
      expect(data.at(-1)).toEqual(made.body);
    }
    const others = await client.api('GET', `${path}?partnerId=${crypto.randomUUID()}`);
    expect(others.body).toEqual({ data: [], nextCursor: null });
  });

  it('needs an agreement, a purpose and an end, and every fault is told at once', async () => {
    const body = grantBody({
      eventTypes: ['payment.*', 'grant.created'],
      agreementReference: ' ',
      purpose: undefined,
      expiresAt: '2020-01-01T00:00:00Z',
    });
    const { status, body: problem } = await hub.api('POST', path, body);
    expect(status).toBe(422);
    expect(problem.errors.map(({ pointer, code }: any) => [pointer, code])).toEqual([
      ['/eventTypes/1', 'unknown_event_type'],
      ['/agreementReference', 'blank'],
      ['/purpose', 'agreement_required'],
      ['/expiresAt', 'in_the_past'],
    ]);
    const nobody = await hub.api('POST', path, grantBody({ partnerId: practice.id }));
    expect(nobody.body.errors).toMatchObject([{ pointer: '/partnerId', code: 'unknown_partner' }]);
  });

  it('is changed by whoever has read it, and its partner is told what changed', async () => {
    const grant = await aGrant(hub, practice, partner);
    const at = `${path}/${grant.id}`;
    expect((await hub.api('PATCH', at, { readMode: 'full' })).status).toBe(428);
    const before = await setVersion();
    const change = { readMode: 'full', purpose: 'Recalls', payloadMode: grant.payloadMode };
    const changed = await hub.api('PATCH', at, change, { 'if-match': '"1"' });
    expect(changed.body).toMatchObject({ readMode: 'full', purpose: 'Recalls', version: 2 });
    expect(await setVersion()).toBe(before + 1);
    expect((await hub.api('PATCH', at, change, { 'if-match': '"1"' })).status).toBe(412);
    const same = await hub.api('PATCH', at, change, { 'if-match': '"2"' });
    expect(same.body).toEqual(changed.body);
    const bare = await hub.api('PATCH', at, { expiresAt: null, purpose: null }, anyVersion);
    expect(bare.body.errors).toMatchObject([{ pointer: '/purpose' }, { pointer: '/expiresAt' }]);
    const told = await toldOf(grant, `partners/${partner.id}`);
    expect(told.map(({ type }) => type)).toEqual(['grant.created', 'grant.changed']);
    expect(told[1]).toMatchObject({
      practice_id: null,
      subject_version: 2,
      actor: 'operator',
      data: {
        grantId: grant.id,
        practiceId: practice.id,
        purpose: 'Recalls',
        agreementReference: 'BAA-2026-117',
        changedFields: ['readMode', 'purpose'],
      },
    });
  });

  it('is revoked once and for all', async () => {
    const grant = await aGrant(hub, practice, partner);
    const at = `${path}/${grant.id}`;
    expect((await hub.api('DELETE', at)).status).toBe(428);
    const before = await setVersion();
    expect((await hub.api('DELETE', at, undefined, { 'if-match': '"1"' })).status).toBe(204);
    expect(await setVersion()).toBe(before + 1);
    const revoked = (await hub.api('GET', at)).body;
    expect(revoked).toMatchObject({ status: 'revoked', version: 2 });
    expect(revoked.revokedAt).not.toBeNull();
    const late = await hub.api('PATCH', at, { readMode: 'none' }, anyVersion);
    expect([late.status, late.body.code]).toEqual([409, 'grant_ended']);
    expect((await hub.api('DELETE', at, undefined, anyVersion)).status).toBe(204);
    const told = await toldOf(grant, `partners/${partner.id}`);
    expect(told.map(({ type }) => type)).toEqual(['grant.created', 'grant.revoked']);
    expect(told[1].data.revokedAt).toBe(revoked.revokedAt);
  });

  it('cannot be changed or revoked once it has expired', async () => {
    const grant = await aGrant(hub, practice, partner);
    await hub.database.query(
      `update grants set starts_at = now() - interval '2 days', expires_at = now() - interval '1 day' where id = $1`,
      [grant.id],
    );
    const at = `${path}/${grant.id}`;
    expect((await hub.api('GET', at)).body.status).toBe('expired');
    for (const [method, body] of [
      ['PATCH', { expiresAt: inDays(9) }],
      ['DELETE', undefined],
    ] as const) {
      const { status, body: problem } = await hub.api(method, at, body, anyVersion);
      expect([status, problem.code]).toEqual([409, 'grant_ended']);
    }
  });

  it('is told to the partner and to the practice’s own applications, each by an event of its own', async () => {
    const own = await aPractice(hub);
    const application = await anApplication(hub, [own]);
    const grant = await aGrant(await asApplication(hub, application), own, partner);
    const told = await toldOf(grant);
    expect(told.map(({ source }) => source)).toEqual([
      `/partners/${partner.id}`,
      `/applications/${application.id}`,
    ]);
    expect(told[0].actor).toBe(`applications/${application.id}`);
    expect(told[0].data).toEqual(told[1].data);
  });
});

describe('a veterinary practice', () => {
  it('grants without an agreement, until it asks for one', async () => {
    const own = await aPractice(hub, { kind: 'veterinary' });
    expect(own.requiresAgreements).toBe(false);
    const bare = { agreementReference: undefined, purpose: undefined, expiresAt: undefined };
    const open = await aGrant(hub, own, partner, bare);
    const ended = await aGrant(hub, own, partner, bare);
    const at = `/v1/practices/${own.id}`;
    await hub.api('DELETE', `${at}/grants/${ended.id}`, undefined, anyVersion);
    const strict = { requiresAgreements: true };
    const refused = await hub.api('PATCH', at, strict, anyVersion);
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ code: 'grants_without_agreement', grantIds: [open.id] });
    const terms = { agreementReference: 'A-1', purpose: 'Recalls', expiresAt: inDays(30) };
    await hub.api('PATCH', `${at}/grants/${open.id}`, terms, anyVersion);
    const changed = await hub.api('PATCH', at, strict, anyVersion);
    expect(changed.body.requiresAgreements).toBe(true);
    const late = await hub.api('POST', `${at}/grants`, grantBody(bare));
    expect(late.body.errors).toHaveLength(3);
  });

  it('has that choice, others have not', async () => {
    const of = (kind: string) => ({ name: 'Elm', kind, timeZone: 'UTC', currency: 'USD' });
    for (const kind of ['dental', 'medical']) {
      const made = await hub.api('POST', '/v1/practices', of(kind));
      expect(made.body.requiresAgreements).toBe(true);
      const asked = { ...of(kind), requiresAgreements: false };
      for (const refused of [
        await hub.api('POST', '/v1/practices', asked),
        await hub.api(
          'PATCH',
          `/v1/practices/${made.body.id}`,
          { requiresAgreements: false },
          anyVersion,
        ),
      ]) {
        expect(refused.body.errors).toMatchObject([{ pointer: '/requiresAgreements' }]);
      }
    }
  });
});

describe('who sees a grant', () => {
  it('is its partner, of its mode alone; to others it does not exist', async () => {
    const grant = await aGrant(hub, practice, partner);
    const [live, test] = [
      await asPartner(hub, partner),
      await asPartner(hub, partner, { mode: 'test' }),
    ];
    const other = await asPartner(hub, await aPartner(hub));
    expect((await live.api('GET', `/v1/grants/${grant.id}`)).body).toEqual(grant);
    const none = await live.api('GET', `/v1/grants/${crypto.randomUUID()}`);
    for (const client of [test, other]) {
      const { status, body } = await client.api('GET', `/v1/grants/${grant.id}`);
      expect(status).toBe(404);
      expect({ ...body, requestId: '' }).toEqual({ ...none.body, requestId: '' });
      const { data } = (await client.api('GET', '/v1/grants')).body;
      expect(data.filter(({ id }: { id: string }) => id === grant.id)).toEqual([]);
    }
    const stranger = await asApplication(hub, await anApplication(hub, [await aPractice(hub)]));
    expect((await stranger.api('GET', `/v1/grants/${grant.id}`)).status).toBe(404);
  });

  it('still sees it once it has ended, page by page', async () => {
    const another = await aPartner(hub);
    const client = await asPartner(hub, another);
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) ids.push((await aGrant(hub, practice, another)).id);
    await hub.api('DELETE', `${path}/${ids[0]}`, undefined, anyVersion);
    const first = (await client.api('GET', '/v1/grants?limit=2')).body;
    const second = (await client.api('GET', `/v1/grants?limit=2&after=${first.nextCursor}`)).body;
    expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(ids);
    expect([first.data[0].status, second.nextCursor]).toEqual(['revoked', null]);
  });

  it('may not make, change or revoke one as a partner', async () => {
    const client = await asPartner(hub, partner);
    const grant = await aGrant(hub, practice, partner);
    for (const [method, at] of [
      ['POST', path],
      ['GET', path],
      ['PATCH', `${path}/${grant.id}`],
      ['DELETE', `${path}/${grant.id}`],
    ] as const) {
      const body = method === 'POST' || method === 'PATCH' ? {} : undefined;
      const answer = await client.api(method, at, body, anyVersion);
      expect([method, answer.status, answer.body.code]).toEqual([method, 403, 'not_for_partners']);
    }
  });
});
