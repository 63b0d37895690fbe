import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { anAccount, anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { aGrantedPartner, giveTo } from '../support/grants.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { subscribe, type Subscriber } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let practice: any;
let partner: Awaited<ReturnType<typeof aGrantedPartner>>;
/** The partner's. */
let endpoint: Subscriber;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
  practice = await aPractice(hub);
  partner = await aGrantedPartner(hub, practice);
  endpoint = await subscribe(hub, receiver, '/partner', { payloadMode: 'minimum' });
  await giveTo(hub, endpoint, partner);
  // The practice's own.
  await subscribe(hub, receiver, '/practice');
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

function disclosed(patient: any): Promise<any[]> {
  const path = `/v1/practices/${practice.id}/patients/${patient.id}/disclosures`;
  return hub.api('GET', path).then(({ body }) => body.data);
}

const whatOf = (disclosures: any[]) => disclosures.map(({ what }) => what).sort();

describe('what webhooks tell partners', () => {
  it('is what the patient is told that they were told', async () => {
    receiver.respondWith(() => 204);
    const patient = await aPatient(hub, practice);
    const charge = await anEntry(hub, practice, 'charges', { patientId: patient.id });
    const webhook = await receiver.waitFor(
      ({ path, event }) => path === '/partner' && event.data.entryId === charge.id,
    );
    const disclosures = await eventually(async () => {
      const found = await disclosed(patient);
      expect(whatOf(found)).toEqual([
        'account.balance_changed',
        'account.created',
        'charge.posted',
        'patient.created',
      ]);
      return found;
    });
    expect(disclosures.find(({ what }) => what === 'charge.posted')).toEqual({
      id: expect.any(String),
      at: expect.any(String),
      recipient: { kind: 'partner', id: partner.partnerId, name: 'Recall Robin' },
      how: 'webhook',
      confirmed: true,
      what: 'charge.posted',
      mode: 'minimum',
      purpose: 'recall letters',
      grantId: partner.grantId,
      agreementReference: 'BAA 2026-7',
      eventId: webhook.event.id,
      endpointId: endpoint.id,
      deliveryId: expect.any(String),
      accountId: patient.accountId,
    });
  });

  it('is told of an account as a whole to whoever is on it', async () => {
    receiver.respondWith(() => 204);
    const account = await anAccount(hub, practice);
    const [one, two] = [
      await aPatient(hub, practice, { accountId: account.id }),
      await aPatient(hub, practice, { accountId: account.id }),
    ];
    await anEntry(hub, practice, 'charges', { accountId: account.id });
    for (const patient of [one, two]) {
      await eventually(async () =>
        expect(whatOf(await disclosed(patient))).toEqual([
          'account.balance_changed',
          'account.created',
          'charge.posted',
          'patient.created',
        ]),
      );
    }
  });

  it('is told where nobody knows whether it was read, and not where nothing left the hub', async () => {
    receiver.respondWith((_, { path }) => (path === '/partner' ? 500 : 204));
    const patient = await aPatient(hub, practice);
    await eventually(async () => {
      const found = await disclosed(patient);
      expect(found.map(({ what, confirmed }) => [what, confirmed]).sort()).toEqual([
        ['account.created', false],
        ['patient.created', false],
      ]);
    });
    receiver.respondWith(() => 204);
    await hub.api('PATCH', `/v1/endpoints/${endpoint.id}`, { enabled: true }, { 'if-match': '*' });
    await eventually(async () => {
      const confirmed = (await disclosed(patient)).filter((each) => each.confirmed);
      expect(whatOf(confirmed)).toEqual(['account.created', 'patient.created']);
    });
    const silent = await aPractice(hub);
    const other = await aGrantedPartner(hub, silent);
    // Nothing listens there.
    const made = await hub.api('POST', '/v1/endpoints', {
      url: 'http://127.0.0.1:9/',
      eventTypes: ['*'],
    });
    await giveTo(hub, made.body, other);
    const unheard = await aPatient(hub, silent);
    await eventually(async () => {
      const path = `/v1/endpoints/${made.body.id}/deliveries`;
      const { data } = (await hub.api('GET', path)).body;
      expect(data.map(({ status }: any) => status)).toEqual(['failed', 'failed']);
    });
    const path = `/v1/practices/${silent.id}/patients/${unheard.id}/disclosures`;
    expect((await hub.api('GET', path)).body.data).toEqual([]);
  });
});
