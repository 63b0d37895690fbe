import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { eventually } from '../support/eventually.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { startHeldReceiver } from '../support/held-receiver.js';
import { aGrant, aPartnerWithKey, revoke, type Partner } from '../support/partners.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

let hub: TestHub;
let receiver: WebhookReceiver;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

async function anEndpoint(partner: Partner, url: string, settings: object = {}): Promise<any> {
  const input = { url, eventTypes: ['payment.*'], ...settings };
  const { status, body } = await partner.api('POST', '/v1/endpoints', input);
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body;
}

/** Of payments, in full where nothing else is said. */
const grant = (practice: any, partner: Partner, terms: object = {}) =>
  aGrant(hub, practice, partner, { payloadMode: 'full', ...terms });

async function aPayment(practice: any, patient: any, change: object = {}): Promise<string> {
  return (await anEntry(hub, practice, 'payments', { patientId: patient.id, ...change })).id;
}

const entriesOf = (bodies: string[]) => bodies.map((body) => JSON.parse(body).data.entryId);
const hashOf = (lines: string) => createHash('sha256').update(lines).digest('hex');

describe('a grant that is revoked', () => {
  it('withholds what waits, hides what was sent, and lets nothing be sent once more', async () => {
    const [practice, partner] = [await aPractice(hub), await aPartnerWithKey(hub)];
    const patient = await aPatient(hub, practice);
    const granted = await grant(practice, partner);
    const held = await startHeldReceiver();
    const endpoint = await anEndpoint(partner, held.url, { maxConcurrency: 1 });
    const at = `/v1/endpoints/${endpoint.id}`;
    const statuses = async () =>
      (await partner.api('GET', `${at}/deliveries`)).body.data
        .map(({ status, withheldReason }: any) => [status, withheldReason])
        .reverse();
    try {
      const sent = await aPayment(practice, patient);
      await held.arrived;
      for (let nth = 0; nth < 3; nth++) await aPayment(practice, patient);
      await eventually(async () => expect(await statuses()).toHaveLength(4));

      await revoke(hub, granted);
      // Also while the one before them is still on its way.
      const revoked = ['withheld', 'revoked'];
      await eventually(async () =>
        expect(await statuses()).toEqual([['pending', null], revoked, revoked, revoked]),
      );
      held.answer();
      await eventually(async () => expect((await statuses())[0]).toEqual(['delivered', null]));
      expect(entriesOf(held.bodies)).toEqual([sent]);

      const feed = (await partner.api('GET', `${at}/events?after=0`)).body.data;
      expect(feed).toEqual([1, 2, 3, 4].map((sequence) => ({ sequence, withheld: 'revoked' })));
      const { hash } = (await partner.api('GET', `${at}/manifest`)).body;
      expect(hash).toBe(hashOf('1 -\n2 -\n3 -\n4 -\n'));
      const all = { status: ['delivered', 'dead', 'failed'], dryRun: true };
      const replays = await partner.api('POST', `${at}/replays`, all);
      expect(replays.body).toMatchObject({ matched: 0 });
      const missing = await partner.api('POST', `${at}/replays`, { missing: true, dryRun: true });
      expect(missing.body).toMatchObject({ matched: 0 });
      const [delivery] = (await partner.api('GET', `${at}/deliveries?status=delivered`)).body.data;
      const resend = await partner.api('POST', `/v1/deliveries/${delivery.id}/resend`);
      expect(resend).toMatchObject({ status: 409, body: { code: 'delivery_withheld' } });
      expect((await statuses())[0]).toEqual(['delivered', null]);

      await grant(practice, partner);
      const back = (await partner.api('GET', `${at}/events?after=0`)).body.data;
      expect(back[0].event.data.entryId).toBe(sent);
      expect(back.slice(1).map(({ withheld }: any) => withheld)).toEqual(Array(3).fill('revoked'));
      const manifest = (await partner.api('GET', `${at}/manifest`)).body;
      expect(manifest.hash).toBe(hashOf(`1 ${back[0].event.id}\n2 -\n3 -\n4 -\n`));
    } finally {
      held.answer();
      await held.close();
    }
  });

  it('also withholds what waits for another attempt, at once', async () => {
    const [practice, partner] = [await aPractice(hub), await aPartnerWithKey(hub)];
    const patient = await aPatient(hub, practice);
    const granted = await grant(practice, partner);
    receiver.respondWith((_, { path }) => (path === '/fails' ? 500 : 204));
    const endpoint = await anEndpoint(partner, `${receiver.url}/fails`);
    receiver.setSecret(endpoint.secret, '/fails');
    await aPayment(practice, patient);
    const delivery = async () =>
      (await partner.api('GET', `/v1/endpoints/${endpoint.id}/deliveries`)).body.data[0];
    await eventually(async () => expect(await delivery()).toMatchObject({ status: 'failed' }));
    await revoke(hub, granted);
    // The next attempt would be due in five seconds.
    await eventually(
      async () =>
        expect(await delivery()).toMatchObject({ status: 'withheld', withheldReason: 'revoked' }),
      4000,
    );
  });

  it('that ends by the clock is over for its endpoints then, without a word of anybody', async () => {
    const [practice, partner] = [await aPractice(hub), await aPartnerWithKey(hub)];
    const patient = await aPatient(hub, practice);
    await grant(practice, partner, { expiresAt: new Date(Date.now() + 6000).toISOString() });
    await grant(practice, partner, { eventTypes: ['charge.*'] });
    receiver.respondWith(() => 204);
    const url = `${receiver.url}/ends`;
    const endpoint = await anEndpoint(partner, url, { eventTypes: ['payment.*', 'charge.*'] });
    receiver.setSecret(endpoint.secret, '/ends');
    const early = await aPayment(practice, patient);
    await receiver.waitFor(({ event }) => event.data.entryId === early);
    await eventually(async () => {
      const feed = await partner.api('GET', `/v1/endpoints/${endpoint.id}/events?after=0`);
      expect(feed.body.data).toEqual([{ sequence: 1, withheld: 'revoked' }]);
    });
    const late = await aPayment(practice, patient);
    const charge = await anEntry(hub, practice, 'charges', { patientId: patient.id });
    await receiver.waitFor(({ event }) => event.data.entryId === charge.id);
    const arrived = receiver.requests.filter(({ path }) => path === '/ends');
    expect(arrived.map(({ event }) => event.data.entryId)).toEqual([early, charge.id]);
    expect(arrived.map(({ event }) => event.data.entryId)).not.toContain(late);
  });
});

describe('what a partner is sent', () => {
  it('is what each practice grants, and no more than its endpoint asks for', async () => {
    const partner = await aPartnerWithKey(hub);
    const [open, careful] = [await aPractice(hub), await aPractice(hub)];
    await grant(open, partner);
    await grant(careful, partner, { payloadMode: 'minimum' });
    receiver.respondWith(() => 204);
    const paths = { '/widest': {}, '/thin': { payloadMode: 'thin' } };
    const feeds: string[] = [];
    for (const [path, settings] of Object.entries(paths)) {
      const endpoint = await anEndpoint(partner, `${receiver.url}${path}`, settings);
      receiver.setSecret(endpoint.secret, path);
      feeds.push(`/v1/endpoints/${endpoint.id}/events?after=0`);
    }
    const payer = { type: 'other', name: 'Marker Payer' };
    const ids: string[] = [];
    for (const practice of [open, careful]) {
      ids.push(await aPayment(practice, await aPatient(hub, practice), { payer }));
      // Charges are not granted.
      await anEntry(hub, practice, 'charges', { patientId: (await aPatient(hub, practice)).id });
    }
    const shown = async (path: string) => {
      const of = (id: string) =>
        receiver.waitFor((webhook) => webhook.path === path && webhook.event.data.entryId === id);
      return [(await of(ids[0]!)).event, (await of(ids[1]!)).event];
    };
    const [full, minimum] = await shown('/widest');
    expect(full!.data.payer).toEqual(payer);
    expect(minimum!.data.payer).toEqual({ type: 'other' });
    expect(minimum!.dataschema).toMatch(/mode=minimum$/);
    for (const event of await shown('/thin')) expect(event.data).not.toHaveProperty('payer');
    const read = (await partner.api('GET', feeds[0]!)).body.data;
    expect(read.map(({ event }: any) => event)).toEqual([full, minimum]);
    const types = receiver.requests
      .filter(({ path }) => Object.hasOwn(paths, path))
      .map(({ event }) => event.type);
    expect(types).toEqual(Array(4).fill('payment.posted'));
  });
});
