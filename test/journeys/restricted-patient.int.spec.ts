import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { Signals } from '../../src/database/signals.js';
import { anApplication, asApplication } from '../support/applications.js';
import { eventually } from '../support/eventually.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { startHeldReceiver } from '../support/held-receiver.js';
import {
  aGrant,
  aPartnerWithKey,
  narrowSilently,
  restrictSilently,
  type Partner,
} from '../support/partners.js';
import { startTestHub, type Api, type TestHub } from '../support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let practice: any;
let partner: Partner;
let granted: any;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

/** A practice that grants a partner everything, and an endpoint of the partner's at this address. */
async function stage(url: string, settings: object = {}): Promise<any> {
  practice = await aPractice(hub);
  partner = await aPartnerWithKey(hub);
  granted = await aGrant(hub, practice, partner, { eventTypes: ['*'], payloadMode: 'full' });
  return anEndpoint(partner, url, settings);
}

async function anEndpoint(client: Api, url: string, settings: object = {}): Promise<any> {
  const input = { url, eventTypes: ['*'], ...settings };
  const { status, body } = await client.api('POST', '/v1/endpoints', input);
  if (status !== 201) throw new Error(JSON.stringify(body));
  receiver.setSecret(body.secret, new URL(url).pathname);
  return body;
}

const restrict = async (patient: any, restricted = true) => {
  const path = `/v1/practices/${practice.id}/patients/${patient.id}`;
  const { status } = await hub.api('PATCH', path, { restricted }, { 'if-match': '*' });
  expect(status).toBe(200);
};
const aCharge = async (change: object) => (await anEntry(hub, practice, 'charges', change)).id;
const chargesIn = (bodies: { event: any }[]) => bodies.map(({ event }) => event.data.entryId);
const hashOf = (lines: string) => createHash('sha256').update(lines).digest('hex');

describe('a patient who asks not to be told of', () => {
  it('is nothing to partners from then on, and what they had of them is hidden', async () => {
    const settings = { eventTypes: ['charge.*'] };
    const endpoint = await stage(`${receiver.url}/partner`, settings);
    const application = await asApplication(hub, await anApplication(hub, [practice]));
    await anEndpoint(application, `${receiver.url}/application`, settings);
    receiver.respondWith(() => 204);
    const [quiet, other] = [await aPatient(hub, practice), await aPatient(hub, practice)];
    const before = await aCharge({ patientId: quiet.id });
    const { event } = await receiver.waitFor(
      ({ event, path }) => path === '/partner' && event.data.entryId === before,
    );
    await restrict(quiet);
    // Also where the whole account is meant, on which nobody else is.
    await aCharge({ patientId: quiet.id });
    await aCharge({ accountId: quiet.accountId });
    const after = await aCharge({ patientId: other.id });
    await Promise.all(
      ['/partner', '/application'].map((at) =>
        receiver.waitFor(({ event, path }) => path === at && event.data.entryId === after),
      ),
    );
    const at = (path: string) => receiver.requests.filter((request) => request.path === path);
    expect(chargesIn(at('/partner'))).toEqual([before, after]);
    expect(at('/application')).toHaveLength(4);

    // Under a reason that could be another one, and without a gap that would tell of them.
    const path = `/v1/endpoints/${endpoint.id}`;
    const { body } = await partner.api('GET', `${path}/events?after=0`);
    const last = at('/partner')[1]!.event;
    expect(body.data).toEqual([
      { sequence: 1, withheld: 'revoked' },
      { sequence: 2, event: last },
    ]);
    const manifest = async () => (await partner.api('GET', `${path}/manifest`)).body.hash;
    expect(await manifest()).toBe(hashOf(`1 -\n2 ${last.id}\n`));
    const missing = await partner.api('POST', `${path}/replays`, { missing: true, dryRun: true });
    expect(missing.body).toMatchObject({ matched: 0 });
    const again = await partner.api('POST', `${path}/replays`, {
      status: ['delivered'],
      dryRun: true,
    });
    expect(again.body).toMatchObject({ matched: 1 });
    const [, delivery] = (await partner.api('GET', `${path}/deliveries`)).body.data;
    const resent = await partner.api('POST', `/v1/deliveries/${delivery.id}/resend`);
    expect(resent).toMatchObject({ status: 409, body: { code: 'delivery_withheld' } });

    await restrict(quiet, false);
    expect(await manifest()).toBe(hashOf(`1 ${event.id}\n2 ${last.id}\n`));
  });

  it('and does so from the first moment is never heard of', async () => {
    await stage(`${receiver.url}/born`);
    receiver.respondWith(() => 204);
    const quiet = await aPatient(hub, practice, { restricted: true });
    await aCharge({ accountId: quiet.accountId });
    const other = await aPatient(hub, practice, { givenName: 'Bea' });
    const told = () => receiver.requests.filter(({ path }) => path === '/born');
    await receiver.waitFor(
      ({ event, path }) => path === '/born' && event.data.patientId === other.id,
    );
    const text = JSON.stringify(told());
    expect(text).not.toContain(quiet.id);
    expect(text).not.toContain(quiet.accountId);
  });
});

describe('an account of several, of whom one asks not to be told of', () => {
  const payer = { type: 'other' };
  const pay = async (change: object) =>
    (await anEntry(hub, practice, 'payments', { payer, ...change })).id;
  const toldOf = (path: string, source: any[]) =>
    source.filter((each) => each.path === path).map(({ event }) => event.data.entryId);
  const fetched = async () =>
    (await partner.api('GET', '/v1/events?eventTypes=payment.*,account.balance_changed')).body.data;

  it('tells of the others, and nothing of what they pay or owe', async () => {
    await stage(`${receiver.url}/family`, {
      eventTypes: ['payment.posted', 'account.balance_changed'],
    });
    receiver.respondWith(() => 204);
    const other = await aPatient(hub, practice);
    const { accountId } = other;
    const quiet = await aPatient(hub, practice, { accountId, restricted: true });
    await pay({ patientId: quiet.id });
    const own = await pay({ patientId: other.id });
    const last = await pay({ accountId });
    await eventually(() =>
      expect(toldOf('/family', receiver.requests)).toEqual([own, own, last, last]),
    );
    const feed = await fetched();
    expect(feed.map(({ data }: any) => data.entryId)).toEqual([own, own, last, last]);
  });

  it('tells nothing of it where they answer for it', async () => {
    await stage(`${receiver.url}/answering`, { eventTypes: ['payment.posted'] });
    receiver.respondWith(() => 204);
    const quiet = await aPatient(hub, practice, { restricted: true });
    const { accountId } = quiet;
    const child = await aPatient(hub, practice, { accountId });
    const path = `/v1/practices/${practice.id}/accounts/${accountId}`;
    const answers = { guarantorPatientId: quiet.id };
    expect((await hub.api('PATCH', path, answers, { 'if-match': '*' })).status).toBe(200);
    await pay({ patientId: child.id });
    const last = await pay({ patientId: (await aPatient(hub, practice)).id });
    await receiver.waitFor(({ event }) => event.data.entryId === last);
    expect(toldOf('/answering', receiver.requests)).toEqual([last]);
    const feed = await fetched();
    expect(feed.map(({ data }: any) => data.entryId)).toEqual([last, last]);
  });
});

describe('an account for which somebody answered who asks not to be told of', () => {
  it('tells no partner of them by the id of whoever answered before', async () => {
    await stage(`${receiver.url}/former`, { eventTypes: ['account.*'] });
    receiver.respondWith(() => 204);
    const [quiet, child] = [await aPatient(hub, practice), await aPatient(hub, practice)];
    const holder = { givenName: 'Ada' };
    const at = `/v1/practices/${practice.id}/accounts`;
    const account = await hub.api('POST', at, { holder, guarantorPatientId: quiet.id });
    await restrict(quiet);
    const path = `${at}/${account.body.id}`;
    for (const guarantorPatientId of [child.id, null]) {
      const changed = await hub.api('PATCH', path, { guarantorPatientId }, { 'if-match': '*' });
      expect(changed.status).toBe(200);
    }
    const renamed = { holder: { givenName: 'Bea' } };
    expect((await hub.api('PATCH', path, renamed, { 'if-match': '*' })).status).toBe(200);
    const { event } = await receiver.waitFor(
      ({ event }) => event.type === 'account.holder_changed',
    );
    const told = () => receiver.requests.filter((request) => request.path === '/former');
    const types = (events: any[]) => events.map(({ type }) => type);
    expect(types(told().map((request) => request.event))).not.toContain(
      'account.guarantor_changed',
    );
    // What was disclosed before stays disclosed; whoever reads it again does not hear of them.
    const feed = (await partner.api('GET', '/v1/events?eventTypes=account.*')).body.data;
    expect(feed.map(({ id }: any) => id)).toContain(event.id);
    expect(JSON.stringify(feed)).not.toContain(quiet.id);
    const disclosed = await hub.api(
      'GET',
      `/v1/practices/${practice.id}/patients/${quiet.id}/disclosures`,
    );
    expect(disclosed.body.data.map(({ eventId }: any) => eventId)).toContain(event.id);
    await restrict(quiet, false);
    const whole = (await partner.api('GET', '/v1/events?eventTypes=account.*')).body.data;
    expect(types(whole)).toContain('account.guarantor_changed');
  });
});

describe('a lane that has not heard of a change', () => {
  // Nobody tells it: without a look at the versions it would go by what it knows for up to five seconds.

  it('does not send by the old terms what was numbered under the new ones', async () => {
    await stage(`${receiver.url}/terms`, { eventTypes: ['payment.*'] });
    receiver.respondWith(() => 204);
    const patient = await aPatient(hub, practice);
    const pay = async () => {
      const payer = { type: 'other', name: 'Marker Payer' };
      const { id } = await anEntry(hub, practice, 'payments', { patientId: patient.id, payer });
      return receiver.waitFor(({ event }) => event.data.entryId === id);
    };
    expect((await pay()).event.data.payer.name).toBe('Marker Payer');
    await narrowSilently(hub, granted, 'minimum');
    expect((await pay()).event.data.payer).toEqual({ type: 'other' });
  });

  it('does not go on with what it holds about a patient once something newer has come', async () => {
    const held = await startHeldReceiver();
    try {
      const settings = { eventTypes: ['charge.*'], maxConcurrency: 1 };
      const endpoint = await stage(held.url, settings);
      const [quiet, other] = [await aPatient(hub, practice), await aPatient(hub, practice)];
      const first = await aCharge({ patientId: other.id });
      await held.arrived;
      await aCharge({ patientId: quiet.id });
      const path = `/v1/endpoints/${endpoint.id}/deliveries`;
      await eventually(async () =>
        expect((await partner.api('GET', path)).body.data).toHaveLength(2),
      );
      await restrictSilently(hub, quiet);
      // What the lane does not take over is announced to whoever looks for it.
      const refused = new Promise<void>((resolve) => {
        const silence = hub.app.get(Signals).on('deliveries', (keys) => {
          if (keys === 'all' || !keys.has(endpoint.id)) return;
          silence();
          resolve();
        });
      });
      const newer = await aCharge({ patientId: other.id });
      await refused;
      held.answer();
      await eventually(() => expect(held.bodies).toHaveLength(2));
      const sent = held.bodies.map((body) => ({ event: JSON.parse(body) }));
      expect(chargesIn(sent)).toEqual([first, newer]);
      await eventually(async () =>
        expect((await partner.api('GET', path)).body.data[1]).toMatchObject({
          status: 'withheld',
          withheldReason: 'revoked',
        }),
      );
    } finally {
      held.answer();
      await held.close();
    }
  });
});
