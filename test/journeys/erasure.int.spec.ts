import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { act, book } from '../support/factories-appointments.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { aGrant, aPartner } from '../support/partners.js';
import { runCommand, startCommand, type Command } from '../support/run-command.js';
import { testMasterKey } from '../support/sealed.js';
import { tablesWith } from '../support/search-tables.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { subscribe, type Subscriber } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/** The erasures of some thousand events take seconds on a busy machine. */
jest.setTimeout(180_000);

/** Stands in every field that tells of the person, and in nothing else. */
const marker = 'Zaphod';
const person = {
  givenName: marker,
  familyName: `${marker}-son`,
  email: `${marker}@example.com`,
  phone: '+1 555 942 7726',
};
const words = [marker, '555 942 7726', '1987-11-23'];

let hub: TestHub;
let receiver: WebhookReceiver;
let practice: any;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
  practice = await aPractice(hub);
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

function erase(patient: { id: string }, ...more: string[]): Promise<Command> {
  const about = ['--practice', practice.id, '--patient', patient.id];
  return startCommand('erase', [...about, ...more], {
    DATABASE_URL: hub.databaseUrl,
    HUB_MASTER_KEY: testMasterKey,
  });
}

async function reportOf(patient: { id: string }, ...more: string[]): Promise<any> {
  const { ended, progress } = await erase(patient, ...more, '--json');
  const { code, output } = await ended;
  expect([code, progress()]).toEqual([0, expect.any(String)]);
  return JSON.parse(output);
}

/** A patient with all that can be said of one, and the facts about them. */
async function aKnownPatient(): Promise<any> {
  const path = `/v1/practices/${practice.id}`;
  const made = await hub.api(
    'POST',
    `${path}/patients`,
    {
      kind: 'human',
      ...person,
      birthDate: '1987-11-23',
      externalIds: [{ system: 'old-chart', value: `chart-${marker}` }],
    },
    { 'idempotency-key': `make-${crypto.randomUUID()}` },
  );
  const patient = made.body;
  const clinic = { practiceId: practice.id, patientId: patient.id, accountId: patient.accountId };
  const visit = await book(hub, clinic, '2031-03-10T15:30:00Z', {
    note: `${marker} fears needles`,
    type: { name: `Call ${marker}` },
    externalIds: [{ system: 'book', value: `${marker}-1` }],
  });
  await act(hub, visit, 'cancel', { reason: `${marker} is ill` });
  const about = { patientId: patient.id, description: `${marker}'s crown` };
  await anEntry(hub, practice, 'charges', about);
  await anEntry(hub, practice, 'payments', { ...about, payer: { type: 'other', name: marker } });
  await anEntry(hub, practice, 'adjustments', { ...about, kind: 'debit', reason: `for ${marker}` });
  return patient;
}

/** An endpoint whose receiver fails and echoes what it is sent, so that everything waits and answers are kept. */
async function aBrokenEndpoint(): Promise<Subscriber> {
  const path = `/${crypto.randomUUID()}`;
  receiver.respondWith((_, request) => ({ status: 500, body: request.rawBody }));
  return subscribe(hub, receiver, path, { ordering: 'subject' });
}

async function deliveriesOf({ id }: Subscriber): Promise<any[]> {
  return (await hub.api('GET', `/v1/endpoints/${id}/deliveries?limit=200`)).body.data;
}

describe('erasing a patient', () => {
  it('leaves nothing of them but what the law wants kept, and reports what it did', async () => {
    const endpoint = await aBrokenEndpoint();
    const partner = await aPartner(hub);
    const grant = await aGrant(hub, practice, partner);
    const patient = await aKnownPatient();
    const other = await aPatient(hub, practice, { givenName: 'Grace' });
    await hub.database.query(
      `insert into disclosures (at, practice_id, patient_id, partner_id, how, confirmed, what, mode, grant_id)
       values (now(), $1, $2, $3, 'fetch', true, 'patient', 'full', $4)`,
      [practice.id, patient.id, partner.id, grant.id],
    );
    await eventually(async () => {
      const all = await deliveriesOf(endpoint);
      expect(all.filter(({ status }) => status === 'failed').length).toBeGreaterThan(1);
      expect((await sealedOf(patient)).responses).toBeGreaterThan(0);
    });
    const before = await tablesWith(hub, words);
    expect(before).toEqual(
      expect.arrayContaining(['accounts', 'appointments', 'ledger_entries', 'patients']),
    );

    const preview = await reportOf(patient, '--dry-run');
    expect(preview).toMatchObject({ erasureId: null, erased: { patients: 1, ledgerEntries: 3 } });
    expect(await tablesWith(hub, words)).toEqual(before);
    expect((await hub.api('GET', pathOf(patient))).status).toBe(200);

    const report = await reportOf(patient, '--yes', '--by', 'Dr. Roe');
    expect(await tablesWith(hub, words)).toEqual([]);
    expect(await sealedOf(patient)).toEqual({ events: 0, responses: 0 });
    expect((await hub.api('GET', pathOf(patient))).status).toBe(404);
    expect(report.erased).toMatchObject({
      patients: 1,
      accounts: 1,
      appointments: 1,
      ledgerEntries: 3,
      externalIds: 2,
      events: preview.erased.events,
      answers: 1,
    });
    expect(report.recipients).toMatchObject([
      { partnerId: partner.id, name: 'Prairie Recalls', disclosures: 1, modes: ['full'] },
    ]);
    expect(report.kept.map(({ what }: any) => what)).toEqual(
      expect.arrayContaining(['ledger entries', 'appointments', 'disclosures']),
    );
    const entries = `/v1/practices/${practice.id}/accounts/${patient.accountId}/entries`;
    const ledger = (await hub.api('GET', entries)).body.data;
    expect(ledger.map(({ amount }: any) => amount)).toEqual([10_000, 10_000, 10_000]);
    expect((await hub.api('GET', pathOf(other))).body.givenName).toBe('Grace');

    // What waited is never sent; that they were erased is told, with ids alone.
    receiver.respondWith(() => 204);
    const told = await receiver.waitFor(({ event }) => event.type === 'patient.erased');
    expect(told.event.data).toEqual({ patientId: patient.id, accountId: patient.accountId });
    await eventually(async () => {
      const all = await deliveriesOf(endpoint);
      expect(all.filter(({ withheldReason }) => withheldReason === 'erased')).toHaveLength(
        report.erased.deliveries,
      );
    });
    const later = receiver.requests.slice(receiver.requests.indexOf(told) + 1);
    expect(later.filter(({ rawBody }) => rawBody.includes(patient.id))).toEqual([]);
    expect((await hub.api('GET', `${pathOf(patient)}/disclosures`)).body.data).toHaveLength(1);
    // Run again it says the same and does nothing.
    expect(await reportOf(patient, '--yes')).toEqual(report);
  });

  it('says what a mistyped order lacks, and nothing of where the code is', async () => {
    const order = [practice.id, practice.id];
    const { code, errors } = await runCommand('erase', order, {});
    expect(code).toBe(1);
    expect(errors).toMatch(/It is called like this: node dist\/commands\/erase.js --practice/);
    expect(errors).not.toContain('    at ');
    const byNpm = await runCommand('erase', order, { npm_lifecycle_event: 'erase' });
    expect(byNpm.errors).toMatch(/It is called like this: npm run erase -- --practice/);
  });

  it('goes on where it was killed', async () => {
    const patient = await aKnownPatient();
    // So many events that it takes two pieces, of which the second cannot be finished.
    await hub.database.query(
      `insert into events (type, type_version, practice_id, source, subject, subject_version, actor, correlation_id, sealed)
       select 'patient.created', 1, $1::uuid, '/practices/x', 'patients/x', 1, 'operator', 'x', '\\x00'
       from generate_series(1, 6000)`,
      [practice.id],
    );
    await anEntry(hub, practice, 'charges', { patientId: patient.id });
    const holder = await hub.database.connect();
    await holder.query('begin');
    await holder.query(
      `select from events where patient_id = $1 order by id desc limit 1 for update`,
      [patient.id],
    );
    const cut = await erase(patient, '--yes');
    await eventually(() => expect(cut.progress()).toContain('5000 events looked at'), 60_000);
    cut.child.kill('SIGKILL');
    await cut.ended;
    await holder.query('rollback');
    holder.release();
    const { rows } = await hub.database.query(
      `select finished_at, events_through from erasures where patient_id = $1`,
      [patient.id],
    );
    expect(rows).toEqual([{ finished_at: null, events_through: expect.any(String) }]);
    const report = await reportOf(patient, '--yes');
    expect(report.finishedAt).not.toBeNull();
    expect(report.erased).toMatchObject({ patients: 1, ledgerEntries: 3 });
    expect(await tablesWith(hub, words)).toEqual([]);
    expect(await sealedOf(patient)).toEqual({ events: 0, responses: 0 });
  });
});

/** What no search finds, because it is sealed: what is left of it that could be opened. */
async function sealedOf({ id, accountId }: any): Promise<{ events: number; responses: number }> {
  const { rows } = await hub.database.query(
    `with about as (
       select id, sealed from events where (patient_id = $1 or account_id = $2) and type <> 'patient.erased'
     )
     select (select count(*)::int from about where sealed <> '\\x00') as events,
            (select count(*)::int from attempt_responses as r join deliveries as d on d.id = r.delivery_id
             join about on about.id = d.event_id) as responses`,
    [id, accountId],
  );
  return rows[0];
}

const pathOf = ({ id }: { id: string }) => `/v1/practices/${practice.id}/patients/${id}`;
