import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '../support/applications.js';
import { eventually } from '../support/eventually.js';
import { book } from '../support/factories-appointments.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { aGrant, aPartner, asPartner } from '../support/partners.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../support/start-hub.js';
import { subscribe } from '../support/streams.js';
import { startWebhookReceiver } from '../support/webhook-receiver.js';

/* A partner fetches what its grants are about, as much of it as they say; the rest is what does not exist. */

let hub: TestHub;
let practice: any;
let base: string;
let patient: any;
let appointment: any;
let payment: any;
let charge: any;

const externalIds = [{ system: 'open-dental', value: '4711' }];

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  base = `/v1/practices/${practice.id}`;
  patient = await aPatient(hub, practice, { email: 'ada@example.com', externalIds });
  const clinic = { practiceId: practice.id, patientId: patient.id, accountId: patient.accountId };
  appointment = await book(hub, clinic, '2031-03-10T15:30:00Z', { note: 'by the window' });
  const payer = { type: 'insurance', name: 'Prairie Mutual' };
  const ofPatient = { patientId: patient.id };
  payment = await anEntry(hub, practice, 'payments', { ...ofPatient, payer, claimId: 'CLM-1' });
  charge = await anEntry(hub, practice, 'charges', ofPatient);
});
afterAll(() => hub.close());

async function granted(...grants: object[]): Promise<Client> {
  const partner = await aPartner(hub);
  for (const terms of grants) await aGrant(hub, practice, partner, terms);
  return asPartner(hub, partner);
}

async function ids(client: Client, path: string): Promise<string[]> {
  const { status, body } = await client.api('GET', `${base}${path}`);
  expect({ path, status }).toEqual({ path, status: 200 });
  return body.data.map(({ id }: { id: string }) => id);
}

const comparable = ({ status, body }: ApiAnswer) => ({ status, body: { ...body, requestId: '' } });

/** That these are told as what does not exist. */
async function expectMissing(client: Client, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const answer = comparable(await client.api('GET', `${base}${path}`));
    const none = path.replace(/[0-9a-f-]{36}$/, crypto.randomUUID());
    expect({ path, ...answer }).toEqual({
      path,
      ...comparable(await client.api('GET', `${base}${none}`)),
    });
    expect({ path, status: answer.status }).toEqual({ path, status: 404 });
  }
}

/** And lists as those of a practice that does not exist. */
async function expectNoLists(client: Client, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const answer = comparable(await client.api('GET', `${base}${path}`));
    const elsewhere = await client.api('GET', `/v1/practices/${crypto.randomUUID()}${path}`);
    expect({ path, ...answer }).toEqual({ path, ...comparable(elsewhere) });
    expect(answer.body.detail).toMatch(/, or none that grants you this\.$/);
  }
}

describe('granted payments, a partner', () => {
  it('reads payments and their accounts, as much as its read mode shows', async () => {
    const client = await granted({ readMode: 'minimum' });
    const one = (await client.api('GET', `${base}/payments/${payment.id}`)).body;
    expect(one).toMatchObject({
      id: payment.id,
      practiceId: practice.id,
      patientId: patient.id,
      amount: 10_000,
      payer: { type: 'insurance' },
      claimId: 'CLM-1',
      version: 1,
    });
    expect(one).not.toHaveProperty('description');
    expect(JSON.stringify(one)).not.toContain('Prairie');
    expect(await ids(client, '/payments')).toEqual([payment.id]);
    const account = (await client.api('GET', `${base}/accounts/${patient.accountId}`)).body;
    expect(account).toMatchObject({ id: patient.accountId, currency: 'USD' });
    expect(account).not.toHaveProperty('holder');
    expect(await ids(client, `/accounts/${patient.accountId}/entries`)).toEqual([payment.id]);
  });

  it('reads all of it in full', async () => {
    const client = await granted({ readMode: 'full' });
    const one = (await client.api('GET', `${base}/payments/${payment.id}`)).body;
    expect(one.payer.name).toBe('Prairie Mutual');
    const account = (await client.api('GET', `${base}/accounts/${patient.accountId}`)).body;
    expect(account.holder.givenName).toBe('Ada');
  });

  it('finds nothing else', async () => {
    const client = await granted({ readMode: 'full' });
    await expectMissing(client, [
      `/patients/${patient.id}`,
      `/appointments/${appointment.id}`,
      `/charges/${charge.id}`,
      `/accounts/${patient.accountId}/entries/${charge.id}`,
    ]);
    await expectNoLists(client, ['/patients', '/appointments', '/charges', '/adjustments']);
    const entries = `${base}/accounts/${patient.accountId}/entries`;
    const after = (id: string) => client.api('GET', `${entries}?after=${id}`).then(comparable);
    expect(await after(charge.id)).toEqual(await after(crypto.randomUUID()));
  });

  it('follows the links of a thin payload', async () => {
    const client = await granted({ payloadMode: 'thin', readMode: 'minimum' });
    const { data } = (await client.api('GET', '/v1/events?eventTypes=payment.posted')).body;
    for (const link of Object.values<string>(data[0].data.links)) {
      expect((await client.api('GET', link)).status).toBe(200);
    }
  });
});

describe('what a partner was told and has fetched', () => {
  it('is told to the patient with how much of it, under which grant and what for, and to the trail', async () => {
    const receiver = await startWebhookReceiver();
    try {
      const partner = await aPartner(hub);
      const terms = { payloadMode: 'thin', readMode: 'minimum', purpose: 'Card payments' };
      const grant = await aGrant(hub, practice, partner, terms);
      // Wider, and of what neither the webhook nor the fetch is about.
      const wide = { eventTypes: ['patient.*'], payloadMode: 'full', readMode: 'full' };
      await aGrant(hub, practice, partner, wide);
      const client = await asPartner(hub, partner);
      receiver.respondWith(() => 204);
      await subscribe(client, receiver, '/hook', { eventTypes: ['payment.posted'] });
      const told = await aPatient(hub, practice);
      await anEntry(hub, practice, 'payments', { patientId: told.id });
      const { event } = await receiver.waitFor(({ event }) => event.type === 'payment.posted');
      const { links } = event.data as { links: { entry: string; account: string } };
      for (const link of [links.entry, links.account]) {
        expect((await client.api('GET', link)).status).toBe(200);
      }
      const disclosures = await eventually(async () => {
        const path = `${base}/patients/${told.id}/disclosures`;
        const { data } = (await hub.api('GET', path)).body;
        expect(data).toHaveLength(3);
        return data;
      });
      const reason = { grantId: grant.id, purpose: 'Card payments' };
      const recipient = expect.objectContaining({ id: partner.id });
      expect(disclosures).toEqual(
        expect.arrayContaining(
          [
            { how: 'webhook', what: 'payment.posted', mode: 'thin', eventId: event.id },
            { how: 'fetch', what: 'entry', mode: 'minimum' },
            { how: 'fetch', what: 'account', mode: 'minimum', accountId: told.accountId },
          ].map((each) => expect.objectContaining({ recipient, ...reason, ...each })),
        ),
      );
      const query = `actor=partners/${partner.id}&practiceId=${practice.id}`;
      await eventually(async () => {
        const { data } = (await hub.api('GET', `/v1/audit?${query}`)).body;
        const ofEntry = data.find(({ patientIds }: any) => patientIds?.includes(told.id));
        expect(ofEntry.detail).toMatchObject({ readMode: 'minimum', purpose: 'Card payments' });
      });
    } finally {
      await receiver.close();
    }
  });
});

describe('granted appointments, a partner', () => {
  it('reads them, and the patients that they are of', async () => {
    const without = await aPatient(hub, practice);
    const client = await granted({ eventTypes: ['appointment.reminder_due'], readMode: 'minimum' });
    const read = (await client.api('GET', `${base}/appointments/${appointment.id}`)).body;
    expect(read).toMatchObject({ id: appointment.id, start: appointment.start, status: 'booked' });
    expect(read).not.toHaveProperty('note');
    expect(await ids(client, '/appointments')).toEqual([appointment.id]);
    expect(await ids(client, '/patients')).toEqual([patient.id]);
    const visitor = (await client.api('GET', `${base}/patients/${patient.id}`)).body;
    expect(visitor).toMatchObject({ id: patient.id, kind: 'human', status: 'active' });
    expect(JSON.stringify(visitor)).not.toMatch(/Ada|Byrne|ada@|4711/);
    await expectMissing(client, [`/patients/${without.id}`, `/accounts/${patient.accountId}`]);
  });

  it('reads no less for being granted patients as well', async () => {
    const without = await aPatient(hub, practice);
    const client = await granted(
      { eventTypes: ['appointment.*'], readMode: 'full' },
      { eventTypes: ['patient.*'], readMode: 'minimum' },
    );
    const { data } = (await client.api('GET', `${base}/patients?limit=200`)).body;
    const shown = new Map<string, object>(data.map((each: { id: string }) => [each.id, each]));
    expect(shown.get(patient.id)).toMatchObject({ givenName: 'Ada', email: 'ada@example.com' });
    expect(shown.get(without.id)).not.toHaveProperty('givenName');
  });
});

describe('granted patients, a partner', () => {
  const byExternalId = '/patients?externalId=open-dental|4711';

  it('may not ask for what it is not shown', async () => {
    const blind = await granted({ eventTypes: ['patient.*'], readMode: 'minimum' });
    const refused = await blind.api('GET', `${base}${byExternalId}`);
    expect(refused.status).toBe(422);
    expect(refused.body.errors).toMatchObject([{ parameter: 'externalId', code: 'field_hidden' }]);
    const seeing = await granted({ eventTypes: ['patient.*'], readMode: 'full' });
    expect(await ids(seeing, byExternalId)).toEqual([patient.id]);
  });

  it('sees as much as the widest of its grants lets it', async () => {
    const client = await granted(
      { eventTypes: ['patient.created'], readMode: 'full' },
      { eventTypes: ['patient.*'], readMode: 'none' },
    );
    const { body } = await client.api('GET', `${base}/patients/${patient.id}`);
    expect(body.givenName).toBe('Ada');
  });

  it('fetches nothing where it may read nothing, and changes nothing in any case', async () => {
    const client = await granted({ eventTypes: ['*'], payloadMode: 'full', readMode: 'none' });
    await expectMissing(client, [
      `/patients/${patient.id}`,
      `/appointments/${appointment.id}`,
      `/accounts/${patient.accountId}`,
      `/payments/${payment.id}`,
    ]);
    await expectNoLists(client, ['/patients', '/appointments', '/accounts', '/payments']);
    const full = await granted({ eventTypes: ['*'], readMode: 'full' });
    const write = await full.api('PATCH', `${base}/patients/${patient.id}`, { givenName: 'Eve' });
    expect([write.status, write.body.code]).toEqual([403, 'not_for_partners']);
  });
});

describe('a practice', () => {
  it('shows a partner what it needs to read what it is told, and none of its own arrangements', async () => {
    const numbers = [{ system: 'open-dental', value: 'clinic-7' }];
    const own = await aPractice(hub, { externalIds: numbers });
    const partner = await aPartner(hub);
    await aGrant(hub, own, partner, { eventTypes: ['*'], readMode: 'full' });
    const client = await asPartner(hub, partner);
    const { externalIds: _, reminderRules: __, requiresAgreements: ___, ...needed } = own;
    expect((await client.api('GET', `/v1/practices/${own.id}`)).body).toEqual(needed);
    expect((await client.api('GET', '/v1/practices')).body.data).toEqual([needed]);
    const asked = await client.api('GET', '/v1/practices?externalId=open-dental%7Cclinic-7');
    expect([asked.status, asked.body.errors[0].code]).toEqual([422, 'field_hidden']);
    expect((await hub.api('GET', `/v1/practices/${own.id}`)).body).toEqual(own);
  });
});

describe('a patient who asked not to be told of', () => {
  it('is not there for partners, with appointments, entries and account, and pages are full', async () => {
    const own = await aPractice(hub);
    const at = `/v1/practices/${own.id}`;
    const partner = await aPartner(hub);
    await aGrant(hub, own, partner, { eventTypes: ['*'], readMode: 'full' });
    const client = await asPartner(hub, partner);
    const patients = [];
    for (let n = 0; n < 3; n += 1) patients.push(await aPatient(hub, own));
    const [quiet, ...others] = patients;
    const clinic = { practiceId: own.id, patientId: quiet.id, accountId: quiet.accountId };
    const visit = await book(hub, clinic, '2031-03-10T15:30:00Z');
    const entry = await anEntry(hub, own, 'payments', { patientId: quiet.id });
    const hidden = [
      `patients/${quiet.id}`,
      `accounts/${quiet.accountId}`,
      `appointments/${visit.id}`,
      `payments/${entry.id}`,
      `accounts/${quiet.accountId}/entries/${entry.id}`,
    ];
    for (const path of hidden) expect((await client.api('GET', `${at}/${path}`)).status).toBe(200);
    await hub.database.query('update patients set restricted = true where id = $1', [quiet.id]);
    for (const path of hidden) {
      const none = path.replace(/[0-9a-f-]{36}$/, crypto.randomUUID());
      const [answer, missing] = [
        await client.api('GET', `${at}/${path}`),
        await client.api('GET', `${at}/${none}`),
      ];
      expect({ path, ...comparable(answer) }).toEqual({ path, ...comparable(missing) });
      expect((await hub.api('GET', `${at}/${path}`)).status).toBe(200);
    }
    const page = (await client.api('GET', `${at}/patients?limit=2`)).body;
    expect(page.data.map(({ id }: { id: string }) => id)).toEqual(others.map(({ id }) => id));
    for (const list of [
      'appointments',
      'payments',
      'accounts',
      `appointments?patientId=${quiet.id}`,
    ]) {
      const text = JSON.stringify((await client.api('GET', `${at}/${list}`)).body);
      expect({ list, leaks: text.includes(quiet.id) }).toEqual({ list, leaks: false });
      expect({ list, leaks: text.includes(quiet.accountId) }).toEqual({ list, leaks: false });
    }
  });
});
