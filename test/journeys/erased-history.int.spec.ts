import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { EnginePool } from '../../src/database/engine-pool.js';
import { EngineTransactions } from '../../src/database/engine-transactions.js';
import { Signals } from '../../src/database/signals.js';
import { Erasure } from '../../src/erasure/erasure.js';
import { Outbox } from '../../src/events/outbox/outbox.js';
import { DataKeys } from '../../src/sealing/data-keys.js';
import { eventually } from '../support/eventually.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { aGrant, aPartnerWithKey, type Partner } from '../support/partners.js';
import { startTestHub, type Api, type TestHub } from '../support/start-hub.js';
import { streamHash, subscribe, type Subscriber } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * What a patient's erasure leaves to partners: feed, manifest, resends and replays say the same of what they were sent
 * before.
 */
let hub: TestHub;
let receiver: WebhookReceiver;
let practice: { id: string };
let patient: any;
let other: any;
let partner: Partner;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});
beforeEach(async () => {
  practice = await aPractice(hub);
  [patient, other] = [await aPatient(hub, practice), await aPatient(hub, practice)];
  partner = await aPartnerWithKey(hub);
  await aGrant(hub, practice, partner);
});

async function erase({ id }: { id: string }): Promise<void> {
  const { app } = hub;
  const erasure = new Erasure(
    app.get(EnginePool),
    app.get(EngineTransactions),
    app.get(Outbox),
    app.get(DataKeys),
    app.get(Signals),
  );
  const about = { practiceId: practice.id, patientId: id, withAccount: false };
  await erasure.run({ ...about, orderedBy: 'Dr. Roe' });
}

const payment = ({ id }: { id: string }) =>
  anEntry(hub, practice, 'payments', { patientId: id, payer: { type: 'patient' } });

function listen(by: Api, input: object = {}): Promise<Subscriber> {
  const wanted = { practiceIds: [practice.id], eventTypes: ['payment.*'] };
  return subscribe(by, receiver, `/${crypto.randomUUID()}`, { ...wanted, ...input });
}

async function delivered({ id }: Subscriber, count: number): Promise<any[]> {
  return eventually(async () => {
    const path = `/v1/endpoints/${id}/deliveries?status=delivered`;
    const { data } = (await hub.api('GET', path)).body;
    expect(data).toHaveLength(count);
    return data.reverse();
  });
}

it.each(['the operator', 'a partner'])('feed and manifest agree for %s', async (who) => {
  const by = who === 'a partner' ? partner : hub;
  const endpoint = await listen(by);
  for (const each of [patient, other, patient]) await payment(each);
  const sent = await delivered(endpoint, 3);
  await erase(patient);
  const stream = (await by.api('GET', `/v1/endpoints/${endpoint.id}/events`)).body.data;
  expect(stream).toEqual([
    { sequence: 1, withheld: 'erased' },
    { sequence: 2, event: expect.objectContaining({ id: sent[1].eventId }) },
    { sequence: 3, withheld: 'erased' },
  ]);
  const manifest = (await by.api('GET', `/v1/endpoints/${endpoint.id}/manifest`)).body;
  expect(manifest).toMatchObject({ count: 3, hash: streamHash(stream) });
});

it('nothing erased is sent once more, and who asks is told so', async () => {
  const endpoint = await listen(partner);
  for (const each of [patient, other]) await payment(each);
  const [about, kept] = await delivered(endpoint, 2);
  await erase(patient);
  const resend = await partner.api('POST', `/v1/deliveries/${about.id}/resend`);
  expect(resend).toMatchObject({ status: 409, body: { code: 'event_erased' } });
  // What was delivered stays on record as delivered.
  expect((await partner.api('GET', `/v1/deliveries/${about.id}`)).body.status).toBe('delivered');
  expect((await partner.api('POST', `/v1/deliveries/${kept.id}/resend`)).status).toBe(200);
});

it('replays count and send what is left', async () => {
  const endpoint = await listen(partner);
  for (const each of [patient, other]) await payment(each);
  await delivered(endpoint, 2);
  const late = await listen(partner);
  const count = async ({ id }: Subscriber, body: object) =>
    (await partner.api('POST', `/v1/endpoints/${id}/replays`, { ...body, dryRun: true })).body;
  const any = { eventTypes: ['*'] };
  expect(await count(endpoint, any)).toMatchObject({ matched: 2, deliveries: 2 });
  expect(await count(late, { missing: true })).toMatchObject({ matched: 2, events: 2 });
  await erase(patient);
  expect(await count(endpoint, any)).toMatchObject({ matched: 1, deliveries: 1 });
  expect(await count(late, { missing: true })).toMatchObject({ matched: 1, events: 1 });
  expect(await replayed(endpoint, any)).toMatchObject({ matched: 1, sent: 1 });
  expect(await replayed(late, { missing: true })).toMatchObject({ matched: 1, sent: 1 });
});

it.each([
  ['sent before', { eventTypes: ['*'] }],
  ['missing', { missing: true }],
])('a replay of what was %s leaves out what is erased while it runs', async (what, body) => {
  const first = await listen(partner);
  for (const each of [other, patient, patient]) await payment(each);
  await delivered(first, 3);
  const endpoint = what === 'missing' ? await listen(partner) : first;
  const path = `/v1/endpoints/${endpoint.id}/replays`;
  const { id } = (await partner.api('POST', path, { ...body, ratePerSecond: 1 })).body;
  await eventually(async () => {
    expect((await partner.api('GET', `${path}/${id}`)).body).toMatchObject({ matched: 3, sent: 1 });
  });
  await erase(patient);
  const replay = await ended(path, id);
  expect(replay.sent).toBeLessThan(3);
  const { data } = (await hub.api('GET', `/v1/endpoints/${endpoint.id}/deliveries`)).body;
  expect(data.filter(({ withheldReason }: any) => withheldReason === 'erased')).toEqual([]);
});

async function replayed({ id }: Subscriber, body: object): Promise<any> {
  const path = `/v1/endpoints/${id}/replays`;
  const { body: replay } = await partner.api('POST', path, { ...body, ratePerSecond: 1000 });
  return ended(path, replay.id);
}

function ended(path: string, id: string): Promise<any> {
  return eventually(async () => {
    const { body } = await partner.api('GET', `${path}/${id}`);
    expect(body.state).toBe('completed');
    return body;
  }, 30_000);
}
