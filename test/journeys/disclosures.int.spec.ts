import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { book } from '../support/factories-appointments.js';
import { anAccount, anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { aGrant, aPartnerWithKey, type Partner } from '../support/partners.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { subscribe, type Subscriber } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let practice: any;
let partner: Partner;
let grant: any;
/** The partner's. */
let endpoint: Subscriber;

/** Granted: more than the endpoint asks for. */
const everything = { eventTypes: ['*'], payloadMode: 'full' };

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
  practice = await aPractice(hub);
  partner = await aPartnerWithKey(hub);
  grant = await aGrant(hub, practice, partner, everything);
  endpoint = await subscribe(partner, receiver, '/partner', { payloadMode: 'minimum' });
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
      recipient: { kind: 'partner', id: partner.id, name: 'Prairie Recalls' },
      how: 'webhook',
      confirmed: true,
      what: 'charge.posted',
      mode: 'minimum',
      purpose: grant.purpose,
      grantId: grant.id,
      agreementReference: grant.agreementReference,
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
    const other = await aPartnerWithKey(hub);
    await aGrant(hub, silent, other, everything);
    // Nothing listens there.
    const made = await other.api('POST', '/v1/endpoints', {
      url: 'http://127.0.0.1:9/',
      eventTypes: ['*'],
    });
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

describe('what partners read', () => {
  it('is told as it was shown, also where a wider grant is about others in the same list', async () => {
    const clinic = await aPractice(hub);
    const [visiting, other] = [await aPatient(hub, clinic), await aPatient(hub, clinic)];
    const of = { practiceId: clinic.id, patientId: visiting.id, accountId: visiting.accountId };
    await book(hub, of, '2031-03-10T15:30:00Z');
    const reader = await aPartnerWithKey(hub);
    // The older one: by age alone it would be told of both.
    const visits = { eventTypes: ['appointment.*'], readMode: 'full', purpose: 'Recall letters' };
    const wide = await aGrant(hub, clinic, reader, visits);
    const about = { eventTypes: ['patient.*'], readMode: 'minimum', purpose: 'Statistics' };
    const narrow = await aGrant(hub, clinic, reader, about);
    const patients = `/v1/practices/${clinic.id}/patients`;
    const { data } = (await reader.api('GET', patients)).body;
    expect(data.map((each: any) => [each.id, 'givenName' in each])).toEqual([
      [visiting.id, true],
      [other.id, false],
    ]);
    expect((await reader.api('GET', `${patients}/${other.id}`)).status).toBe(200);
    const told = async ({ id }: any) => {
      const { body } = await hub.api('GET', `${patients}/${id}/disclosures`);
      return body.data.map(({ mode, grantId, purpose }: any) => [mode, grantId, purpose]);
    };
    expect(await told(visiting)).toEqual([['full', wide.id, 'Recall letters']]);
    const asOther = ['minimum', narrow.id, 'Statistics'];
    expect(await told(other)).toEqual([asOther, asOther]);
  });
});
