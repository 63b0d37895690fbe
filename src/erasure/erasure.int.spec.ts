import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { act, book } from '../../test/support/factories-appointments.js';
import {
  anAnimal,
  anEntry,
  aPatient,
  aPractice,
  eventsFrom,
} from '../../test/support/factories-patients.js';
import { eventually } from '../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { subscribe } from '../../test/support/streams.js';
import { startWebhookReceiver } from '../../test/support/webhook-receiver.js';
import { EnginePool } from '../database/engine-pool.js';
import { EngineTransactions } from '../database/engine-transactions.js';
import { Signals } from '../database/signals.js';
import { Outbox } from '../events/outbox/outbox.js';
import { DataKeys } from '../sealing/data-keys.js';
import { Erasure } from './erasure.js';
import type { ErasureRow } from './patient-record.js';

let hub: TestHub;
let practice: any;
let erasure: Erasure;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  const { app } = hub;
  erasure = new Erasure(
    app.get(EnginePool),
    app.get(EngineTransactions),
    app.get(Outbox),
    app.get(DataKeys),
    app.get(Signals),
  );
});
afterAll(() => hub.close());

function erase({ id }: { id: string }, withAccount = false): Promise<ErasureRow> {
  return erasure.run({ practiceId: practice.id, patientId: id, withAccount, orderedBy: 'Dr. Roe' });
}

const pathOf = ({ id }: { id: string }) => `/v1/practices/${practice.id}/patients/${id}`;
const holderOf = async ({ accountId }: { accountId: string }) =>
  (await hub.api('GET', `/v1/practices/${practice.id}/accounts/${accountId}`)).body.holder;

describe('an erasure', () => {
  it('is refused while the patient is expected, and for one that there is not', async () => {
    const patient = await aPatient(hub, practice);
    const clinic = { practiceId: practice.id, patientId: patient.id, accountId: patient.accountId };
    const visit = await book(hub, clinic, '2031-03-11T15:30:00Z');
    const refusal = await erase(patient).catch((error: Error) => error.message);
    expect(refusal).toMatch(/^The patient has 1 appointment ahead\./);
    // It says how to find it.
    const { body } = await hub.api('GET', /GET (\S+)/.exec(refusal as string)![1]!);
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual([visit.id]);
    await expect(erase({ id: crypto.randomUUID() })).rejects.toThrow('no such patient');
    expect((await hub.api('GET', pathOf(patient))).status).toBe(200);
    await act(hub, visit, 'cancel');
    expect((await erase(patient)).counts).toMatchObject({ patients: 1, appointments: 1 });
  });

  it('takes the account along that is in the patient’s name and on which nobody else is', async () => {
    const [alone, shared] = [await aPatient(hub, practice), await aPatient(hub, practice)];
    const other = await aPatient(hub, practice, { accountId: shared.accountId });
    expect((await erase(alone)).counts.accounts).toBe(1);
    expect(await holderOf(alone)).toEqual({ givenName: 'erased' });
    expect((await erase(shared)).counts.accounts).toBe(0);
    expect(await holderOf(shared)).toMatchObject({ givenName: 'Ada' });
    // The last one on it, and it is in their name as well.
    expect((await erase(other)).counts.accounts).toBe(1);
  });

  it('takes an account in another’s name along only where that was asked for', async () => {
    const [kept, gone] = [await anAnimal(hub, practice), await anAnimal(hub, practice)];
    expect((await erase(kept)).counts.accounts).toBe(0);
    expect(await holderOf(kept)).toMatchObject({ givenName: 'Grace' });
    expect((await erase(gone, true)).counts.accounts).toBe(1);
    expect(await holderOf(gone)).toEqual({ givenName: 'erased' });
  });

  it('reaches one who was deleted before, and what the log still says of them', async () => {
    const patient = await aPatient(hub, practice);
    await hub.api('DELETE', pathOf(patient), undefined, { 'if-match': '*' });
    const { counts } = await erase(patient);
    // Created and deleted; the account is in a name that nobody knows any more, so that it stays.
    expect(counts).toMatchObject({ patients: 1, accounts: 0, events: 2 });
  });

  it('is told with ids alone, and where they answered for an account', async () => {
    const patient = await aPatient(hub, practice);
    const child = await aPatient(hub, practice, { givenName: 'Tim' });
    const account = `/v1/practices/${practice.id}/accounts/${child.accountId}`;
    const guarantor = { guarantorPatientId: patient.id };
    await hub.api('PATCH', account, guarantor, { 'if-match': '*' });
    const events = await eventsFrom(hub, practice, () => erase(patient));
    expect(events.map(({ type }) => type)).toEqual(['account.guarantor_changed', 'patient.erased']);
    expect(events[1]).toMatchObject({ subject: `patients/${patient.id}`, actor: 'system/erasure' });
    expect((await hub.api('GET', account)).body.guarantorPatientId).toBeNull();
    const audited = await hub.api('GET', `/v1/audit?actor=system/erasure`);
    expect(
      audited.body.data
        .filter(({ subject }: any) => subject === `patients/${patient.id}`)
        .map(({ action, onBehalfOf }: any) => [action, onBehalfOf]),
    ).toEqual([
      ['patient.erased', 'Dr. Roe'],
      ['patient.erasure_finished', 'Dr. Roe'],
    ]);
    // A second order changes nothing.
    expect(await eventsFrom(hub, practice, () => erase(patient))).toEqual([]);
  });

  it('reaches what waits in a hub’s memory', async () => {
    const receiver = await startWebhookReceiver();
    try {
      // So slow that nearly all of it is still to go, and read already.
      const slow = await subscribe(hub, receiver, '/slow', { ratePerSecond: 1 });
      const patient = await aPatient(hub, practice);
      for (let i = 0; i < 20; i += 1) {
        await anEntry(hub, practice, 'charges', { patientId: patient.id });
      }
      await receiver.waitForCount(2);
      const { counts } = await erase(patient);
      expect(counts.deliveries).toBeGreaterThan(10);
      const sent = receiver.requests.length;
      const told = await receiver.waitFor(({ event }) => event.type === 'patient.erased');
      // One more may have been on its way.
      expect(receiver.requests.indexOf(told) - sent).toBeLessThanOrEqual(1);
      const { data } = (await hub.api('GET', `/v1/endpoints/${slow.id}/events?after=0`)).body;
      expect(data.at(-1).event.type).toBe('patient.erased');
      expect(data.at(-2).withheld).toBe('erased');
    } finally {
      await receiver.close();
    }
  });

  it('looks through what waits piece by piece, however much of others lies before and behind', async () => {
    const receiver = await startWebhookReceiver({ respond: () => ({ status: 500, body: 'no' }) });
    try {
      // Those of other tests would have something to send as well.
      for (const { id } of (await hub.api('GET', '/v1/endpoints')).body.data) {
        await hub.api('DELETE', `/v1/endpoints/${id}`, undefined, { 'if-match': '*' });
      }
      const { id: failing } = await subscribe(hub, receiver, '/failing');
      const { id: off } = await subscribe(hub, receiver, '/off', { enabled: false });
      const patient = await aPatient(hub, practice);
      const countOf = async (table: string) => {
        const { rows } = await hub.database.query(
          `select count(*)::int from ${table} as t join deliveries as d on d.id = t.delivery_id
           where d.endpoint_id = $1 and d.event_type <> 'patient.erased'`,
          [failing],
        );
        return rows[0].count as number;
      };
      // The account opened, the patient created.
      await eventually(async () => {
        expect([await countOf('delivery_retries'), await countOf('attempt_responses')]).toEqual([
          2, 2,
        ]);
      });
      await surround(off, failing);
      const seen: Record<string, number> = {};
      const { app } = hub;
      const watched = new Erasure(
        app.get(EnginePool),
        app.get(EngineTransactions),
        app.get(Outbox),
        app.get(DataKeys),
        app.get(Signals),
        (what, count) => (seen[what] = Math.max(seen[what] ?? 0, count)),
      );
      const request = { practiceId: practice.id, patientId: patient.id, withAccount: false };
      const expected = { deliveries: 3, responses: 2 };
      const preview = await watched.preview({ ...request, orderedBy: 'Dr. Roe' });
      expect(preview.counts).toMatchObject(expected);
      expect(seen.delivery).toBeGreaterThan(18_000);
      expect(seen.answer).toBeGreaterThan(12_000);
      const { counts } = await watched.run({ ...request, orderedBy: 'Dr. Roe' });
      expect(counts).toMatchObject(expected);
      expect([await countOf('delivery_retries'), await countOf('attempt_responses')]).toEqual([
        0, 0,
      ]);
    } finally {
      await receiver.close();
    }
  });

  it('is the only way past what is append-only', async () => {
    const patient = await aPatient(hub, practice);
    await anEntry(hub, practice, 'charges', { patientId: patient.id, description: 'a crown' });
    const tries = (statements: string[]) =>
      Promise.all(
        statements.map((sql) =>
          expect(hub.database.query(sql, [patient.id])).rejects.toThrow('append-only'),
        ),
      );
    await tries([
      `update ledger_entries set description = null where patient_id = $1`,
      `update events set sealed = '\\x00' where patient_id = $1`,
    ]);
    await erase(patient);
    await tries([
      `update ledger_entries set amount = 1 where patient_id = $1`,
      `update ledger_entries set description = 'another' where patient_id = $1`,
      `update events set sealed = '\\x01' where patient_id = $1`,
      `update events set actor = 'another' where patient_id = $1`,
      `delete from ledger_entries where patient_id = $1`,
    ]);
  });
});

/**
 * Six thousand rows of nobody on either side of what `failing` has in the tables, and as many in the stream of `off`
 * before a delivery of one of its events: more than two pieces each.
 */
async function surround(off: string, failing: string): Promise<void> {
  const { database } = hub;
  const ids = `
    select (side || lpad(to_hex(i), 7, '0') || '-0000-7000-8000-000000000000')::uuid as id
    from unnest(array['0', 'f']) as side, generate_series(1, 6000) as i`;
  await database.query(`
    insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
    select id, gen_random_uuid(), 1, gen_random_uuid(), 1, 'infinity' from (${ids}) as ids`);
  await database.query(`
    insert into attempt_responses (delivery_id, number, sealed_body)
    select id, 1, '' from (${ids}) as ids`);
  await database.query(
    `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id)
     select hub_uuid_v7(), $1, i, gen_random_uuid(), 'patient.created', $2 from generate_series(1, 6000) as i`,
    [off, practice.id],
  );
  await database.query(
    `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id)
     select hub_uuid_v7(), $1, 6001, event_id, event_type, practice_id from deliveries
     where endpoint_id = $2 limit 1`,
    [off, failing],
  );
  await database.query(`update endpoint_counters set last_sequence = 6001 where endpoint_id = $1`, [
    off,
  ]);
  await database.query(
    `insert into endpoint_progress (endpoint_id) values ($1) on conflict do nothing`,
    [off],
  );
}
