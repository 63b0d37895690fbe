import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  aPatient,
  aPractice,
  anAccount,
  anAnimal,
  anEntry,
  eventsFrom,
} from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let practice: any;
let path: string;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  path = `/v1/practices/${practice.id}/patients`;
});
afterAll(() => hub?.close());

const remove = (patient: any) =>
  hub.api('DELETE', `${path}/${patient.id}`, undefined, { 'if-match': `"${patient.version}"` });

describe('a deletion', () => {
  it('leaves a tombstone that knows nobody', async () => {
    const own = await aPractice(hub);
    const list = `/v1/practices/${own.id}/patients`;
    const patient = await anAnimal(hub, own, {
      breed: 'beagle',
      birthDate: '2020-01-02',
      externalIds: [{ system: 'ezyvet', value: 'A-1' }],
    });
    const kept = await aPatient(hub, own);
    const since = new Date().toISOString();
    const events = await eventsFrom(hub, own, async () => {
      const answer = await hub.api('DELETE', `${list}/${patient.id}`, undefined, {
        'if-match': '"1"',
      });
      expect(answer).toMatchObject({ status: 204, body: undefined });
    });
    expect(events).toEqual([
      {
        type: 'patient.deleted',
        subject: `patients/${patient.id}`,
        version: 2,
        actor: 'operator',
        data: {
          patientId: patient.id,
          accountId: patient.accountId,
          kind: 'animal',
          species: 'dog',
          externalIds: patient.externalIds,
        },
      },
    ]);
    const tombstone = {
      id: patient.id,
      deleted: true,
      practiceId: own.id,
      accountId: patient.accountId,
      version: 2,
      updatedAt: expect.any(String),
    };
    expect((await hub.api('GET', `${list}/${patient.id}`)).status).toBe(404);
    expect((await hub.api('GET', list)).body.data).toEqual([kept]);
    expect((await hub.api('GET', `${list}?includeDeleted=true`)).body.data).toEqual([
      tombstone,
      kept,
    ]);
    const changed = `${list}?includeDeleted=true&updatedSince=${since}`;
    expect((await hub.api('GET', changed)).body.data).toEqual([tombstone]);

    const again = await hub.api('DELETE', `${list}/${patient.id}`, undefined, { 'if-match': '*' });
    expect(again.status).toBe(404);
    const { rows } = await hub.database.query(
      'select given_name, species, breed, birth_date from patients where id = $1',
      [patient.id],
    );
    expect(rows).toEqual([{ given_name: '', species: null, breed: null, birth_date: null }]);
  });

  it('needs If-Match', async () => {
    const patient = await aPatient(hub, practice);
    expect((await hub.api('DELETE', `${path}/${patient.id}`)).status).toBe(428);
  });

  it('is refused with ledger entries, also those made on an account of their own', async () => {
    const named = await aPatient(hub, practice);
    await anEntry(hub, practice, 'charges', { patientId: named.id });
    const alone = await aPatient(hub, practice);
    await anEntry(hub, practice, 'charges', { accountId: alone.accountId });
    for (const patient of [named, alone]) {
      expect(await remove(patient)).toMatchObject({
        status: 409,
        body: { code: 'patient_has_entries' },
      });
    }
    const child = await aPatient(hub, practice, { accountId: alone.accountId });
    expect((await remove(child)).status).toBe(204);
  });

  it('is refused with an appointment ahead, not with one that is over', async () => {
    const patient = await aPatient(hub, practice);
    const book = (start: string) =>
      hub.database.query(
        `insert into appointments (id, practice_id, patient_id, start_at, end_at, time_zone, local_start, status)
         values (gen_random_uuid(), $1, $2, $3::timestamptz, $3::timestamptz + interval '1 hour', 'UTC',
                 '2026-01-01T10:00:00', 'booked')`,
        [practice.id, patient.id, start],
      );
    await book('2020-01-01T10:00Z');
    await book('2199-01-01T10:00Z');
    expect(await remove(patient)).toMatchObject({
      status: 409,
      body: { code: 'patient_has_future_appointments' },
    });
    await hub.database.query(
      `update appointments set status = 'cancelled' where patient_id = $1 and start_at > now()`,
      [patient.id],
    );
    expect((await remove(patient)).status).toBe(204);
  });

  it('ends their being a guarantor', async () => {
    const patient = await aPatient(hub, practice);
    const account = await anAccount(hub, practice, { guarantorPatientId: patient.id });
    const events = await eventsFrom(hub, practice, () => remove(patient));
    expect(events.map(({ type, subject }) => [type, subject])).toEqual([
      ['account.guarantor_changed', `accounts/${account.id}`],
      ['patient.deleted', `patients/${patient.id}`],
    ]);
    expect(events[0]!.data).toEqual({
      accountId: account.id,
      guarantorPatientId: null,
      previousGuarantorPatientId: patient.id,
    });
  });
});
