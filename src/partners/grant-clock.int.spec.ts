import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { anApplication } from '../../test/support/applications.js';
import { eventually } from '../../test/support/eventually.js';
import { aPractice } from '../../test/support/factories-patients.js';
import { aGrant, aPartner, asPartner, inDays } from '../../test/support/partners.js';
import { readEvents } from '../../test/support/sealed.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from '../../test/support/webhook-receiver.js';

/* Two hubs, so that nothing the clock does happens twice. */

let hub: TestHub;
let other: TestHub;
let receiver: WebhookReceiver;
let partner: any;

beforeAll(async () => {
  hub = await startTestHub();
  other = await startTestHub({ databaseUrl: hub.databaseUrl });
  receiver = await startWebhookReceiver();
  partner = await aPartner(hub);
});
afterAll(async () => {
  await other.close();
  await hub.close();
  await receiver.close();
});

async function toldOf(grant: { id: string }, type: string): Promise<any[]> {
  return readEvents(hub.database, 'subject = $1 and type = $2', [`grants/${grant.id}`, type]);
}

async function setVersion(): Promise<number> {
  const { rows } = await hub.database.query('select version::int from endpoint_set_version');
  return rows[0].version;
}

async function clock(ms: number): Promise<Date> {
  const { rows } = await hub.database.query(
    `select clock_timestamp() + make_interval(secs => $1::float8 / 1000) as moment`,
    [ms],
  );
  return rows[0].moment;
}

it('announces an end thirty days before, once for each end, to the partner and the practice’s own', async () => {
  const practice = await aPractice(hub);
  const application = await anApplication(hub, [practice]);
  const far = await aGrant(hub, practice, partner, { expiresAt: inDays(31) });
  const near = await aGrant(hub, practice, partner, { expiresAt: inDays(29) });
  const told = await eventually(async () => {
    const rows = await toldOf(near, 'grant.expiring');
    expect(rows.length).toBeGreaterThan(0);
    return rows;
  });
  expect(told).toMatchObject([
    { source: `/partners/${partner.id}`, actor: 'system/grants', data: { grantId: near.id } },
    { source: `/applications/${application.id}` },
  ]);
  expect(await toldOf(far, 'grant.expiring')).toEqual([]);

  const at = `/v1/practices/${practice.id}/grants/${near.id}`;
  const change = (expiresAt: string) => hub.api('PATCH', at, { expiresAt }, { 'if-match': '*' });
  // A grant is no new version for having been announced.
  expect((await hub.api('GET', at)).body.version).toBe(1);
  await change(inDays(60));
  await change(inDays(10));
  await eventually(async () => expect(await toldOf(near, 'grant.expiring')).toHaveLength(4));
  const [, , again] = await toldOf(near, 'grant.expiring');
  expect(again.data.expiresAt).toBe((await hub.api('GET', at)).body.expiresAt);
});

it('brings what it says to the partner’s endpoints of the right mode', async () => {
  const practice = await aPractice(hub);
  for (const mode of ['live', 'test']) {
    const client = await asPartner(hub, partner, { mode });
    const endpoint = await client.api('POST', '/v1/endpoints', {
      url: `${receiver.url}/${mode}`,
      eventTypes: ['grant.*'],
    });
    expect(endpoint.status).toBe(201);
    receiver.setSecret(endpoint.body.secret, `/${mode}`);
  }
  const grant = await aGrant(hub, practice, partner, { expiresAt: inDays(5) });
  const of = ({ event }: { event: any }) => event.data.grantId === grant.id;
  await receiver.waitFor((webhook) => of(webhook) && webhook.event.type === 'grant.expiring');
  const sandbox = await aPractice(hub, { sandbox: true });
  const tried = await aGrant(hub, sandbox, partner);
  const webhook = await receiver.waitFor(({ event }) => event.data.grantId === tried.id);
  expect([webhook.path, webhook.verified]).toEqual(['/test', true]);
  expect(webhook.event).toMatchObject({ type: 'grant.created', source: `/partners/${partner.id}` });
  const received = receiver.requests.filter(of);
  expect(received.map(({ event }) => event.type).sort()).toEqual([
    'grant.created',
    'grant.expiring',
  ]);
  expect(new Set(received.map(({ path }) => path))).toEqual(new Set(['/live']));
});

it('makes every hub look anew, once, when a grant begins and when it ends', async () => {
  const practice = await aPractice(hub);
  const [startsAt, expiresAt] = [await clock(1500), await clock(2500)];
  await aGrant(hub, practice, partner, { startsAt, expiresAt });
  const before = await setVersion();
  await eventually(async () => expect(await setVersion()).toBe(before + 1));
  expect((await clock(0)).getTime()).toBeGreaterThanOrEqual(startsAt.getTime());
  await eventually(async () => expect(await setVersion()).toBe(before + 2));
  const late = (await clock(0)).getTime() - expiresAt.getTime();
  expect(late).toBeGreaterThanOrEqual(0);
  await aGrant(hub, practice, partner);
  expect(await setVersion()).toBe(before + 3);
});
