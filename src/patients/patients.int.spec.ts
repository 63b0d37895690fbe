import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  aPatient,
  aPractice,
  anAccount,
  anAnimal,
  anEntry,
  eventsFrom,
  loggedEvents,
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

const patch = (patient: any, body: object, version = patient.version) =>
  hub.api('PATCH', `${path}/${patient.id}`, body, { 'if-match': `"${version}"` });
const remove = (patient: any) =>
  hub.api('DELETE', `${path}/${patient.id}`, undefined, { 'if-match': `"${patient.version}"` });
const fault = (pointer: string, code: string) =>
  expect.objectContaining({
    status: 422,
    errors: [expect.objectContaining({ pointer, code })],
  });

describe('a new patient', () => {
  it('gets an account in their own name, and both are said in that order', async () => {
    const own = await aPractice(hub);
    const input = {
      kind: 'human',
      givenName: 'Ada',
      familyName: 'Byrne',
      birthDate: '1984-03-09',
      email: 'ada@example.com',
      phone: '+1 312 555 0142',
      externalIds: [{ system: 'open-dental', value: '4711' }],
    };
    const answer = await hub.api('POST', `/v1/practices/${own.id}/patients`, input);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('etag')).toBe('"1"');
    expect(answer.headers.get('location')).toBe(
      `${hub.url}/v1/practices/${own.id}/patients/${answer.body.id}`,
    );
    const { id, accountId } = answer.body;
    expect(answer.body).toEqual({
      ...input,
      id,
      accountId,
      practiceId: own.id,
      status: 'active',
      species: null,
      breed: null,
      version: 1,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: answer.body.createdAt,
    });
    const got = await hub.api('GET', `/v1/practices/${own.id}/patients/${id}`);
    expect(got.body).toEqual(answer.body);

    const holder = {
      givenName: 'Ada',
      familyName: 'Byrne',
      email: 'ada@example.com',
      phone: '+1 312 555 0142',
    };
    const { kind, ...record } = input;
    expect(await loggedEvents(hub, own)).toEqual([
      {
        type: 'account.created',
        subject: `accounts/${accountId}`,
        version: 1,
        actor: 'operator',
        data: { accountId, currency: 'USD', balance: 0, holder, externalIds: [] },
      },
      {
        type: 'patient.created',
        subject: `patients/${id}`,
        version: 1,
        actor: 'operator',
        data: { ...record, kind, patientId: id, accountId, status: 'active' },
      },
    ]);
  });

  it('is put on an account that is there, without opening another', async () => {
    const account = await anAccount(hub, practice);
    const events = await eventsFrom(hub, practice, async () => {
      const patient = await aPatient(hub, practice, { accountId: account.id.toUpperCase() });
      expect(patient.accountId).toBe(account.id);
    });
    expect(events.map(({ type }) => type)).toEqual(['patient.created']);
  });

  it('is an animal on an account whose holder is its owner', async () => {
    const animal = await anAnimal(hub, practice, { breed: 'beagle' });
    expect(animal).toMatchObject({ kind: 'animal', species: 'dog', breed: 'beagle' });
    const account = await hub.api(
      'GET',
      `/v1/practices/${practice.id}/accounts/${animal.accountId}`,
    );
    expect(account.body).toMatchObject({
      holder: { givenName: 'Grace', familyName: 'Moor' },
      balance: 0,
      currency: 'USD',
    });
    const events = await loggedEvents(hub, practice);
    expect(events.at(-1)).toMatchObject({
      type: 'patient.created',
      data: { patientId: animal.id, kind: 'animal', species: 'dog', breed: 'beagle' },
    });
  });

  it.each([
    ['an animal without species', { species: undefined }, '/species', 'species_required'],
    ['an animal without owner', { owner: undefined }, '/owner', 'owner_required'],
    ['a human with a species', { kind: 'human' }, '/species', 'animals_only'],
    [
      'a human with a breed',
      { kind: 'human', species: undefined, breed: 'x' },
      '/breed',
      'animals_only',
    ],
    [
      'an unknown account',
      { owner: undefined, accountId: '019a0f5e-7c00-7000-8000-000000000001' },
      '/accountId',
      'unknown_account',
    ],
    ['a day that never was', { birthDate: '2023-02-29' }, '/birthDate', 'not_local_date'],
    ['an unknown field', { weight: 3 }, '/weight', 'unknown_field'],
  ])('is refused: %s', async (_, change, pointer, code) => {
    const input = {
      kind: 'animal',
      givenName: 'Rufus',
      species: 'dog',
      owner: { givenName: 'Grace' },
      ...change,
    };
    const events = await eventsFrom(hub, practice, async () => {
      const answer = await hub.api('POST', path, input);
      expect(answer.body).toEqual(fault(pointer, code));
    });
    expect(events).toEqual([]);
  });

  it('cannot have both an account and an owner, or the account of another practice', async () => {
    const other = await anAccount(hub, await aPractice(hub));
    const both = { kind: 'human', givenName: 'A', accountId: other.id, owner: { givenName: 'B' } };
    expect((await hub.api('POST', path, both)).body).toEqual(fault('/owner', 'account_or_owner'));
    const foreign = { kind: 'human', givenName: 'A', accountId: other.id };
    expect((await hub.api('POST', path, foreign)).body).toEqual(
      fault('/accountId', 'unknown_account'),
    );
  });

  it('needs a practice', async () => {
    const nowhere = '/v1/practices/019a0f5e-7c00-7000-8000-000000000001/patients';
    const answer = await hub.api('POST', nowhere, { kind: 'human', givenName: 'A' });
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expect((await hub.api('GET', nowhere)).status).toBe(404);
  });

  it('is made once per Idempotency-Key', async () => {
    const own = await aPractice(hub);
    const post = () =>
      hub.api(
        'POST',
        `/v1/practices/${own.id}/patients`,
        { kind: 'human', givenName: 'Ada' },
        { 'idempotency-key': 'one' },
      );
    const first = await post();
    const second = await post();
    expect(second).toMatchObject({ status: 201, body: first.body });
    expect(await loggedEvents(hub, own)).toHaveLength(2);
  });
});

describe('a change', () => {
  it('says each kind of change once, at the version it made', async () => {
    const patient = await aPatient(hub, practice, { phone: '1', birthDate: '1984-03-09' });
    const account = await anAccount(hub, practice);
    const externalIds = [{ system: 'open-dental', value: '12' }];
    let answer: any;
    const events = await eventsFrom(hub, practice, async () => {
      answer = await patch(patient, {
        givenName: 'Adah',
        familyName: 'Byrne',
        birthDate: null,
        externalIds,
        phone: null,
        email: 'adah@example.com',
        accountId: account.id,
        status: 'inactive',
      });
    });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        givenName: 'Adah',
        birthDate: null,
        phone: null,
        externalIds,
        accountId: account.id,
        status: 'inactive',
        version: 2,
      },
    });
    expect(answer.headers.get('etag')).toBe('"2"');
    expect((await hub.api('GET', `${path}/${patient.id}`)).body).toEqual(answer.body);

    const ids = { patientId: patient.id, accountId: account.id, kind: 'human', externalIds };
    const common = { subject: `patients/${patient.id}`, version: 2, actor: 'operator' };
    expect(events).toEqual([
      {
        ...common,
        type: 'patient.updated',
        data: {
          ...ids,
          status: 'inactive',
          givenName: 'Adah',
          familyName: 'Byrne',
          email: 'adah@example.com',
          changedFields: ['givenName', 'birthDate', 'externalIds'],
          previous: { givenName: 'Ada', birthDate: '1984-03-09', externalIds: [] },
        },
      },
      {
        ...common,
        type: 'patient.contact_changed',
        data: {
          ...ids,
          email: 'adah@example.com',
          changedFields: ['email', 'phone'],
          previous: { email: null, phone: '1' },
        },
      },
      {
        ...common,
        type: 'patient.account_changed',
        data: { ...ids, previousAccountId: patient.accountId },
      },
      { ...common, type: 'patient.inactivated', data: { ...ids, previousStatus: 'active' } },
    ]);
  });

  it('tells of every status by its own event', async () => {
    let patient = await aPatient(hub, practice);
    const events = await eventsFrom(hub, practice, async () => {
      for (const status of ['inactive', 'active', 'deceased']) {
        patient = (await patch(patient, { status })).body;
      }
    });
    expect(events.map(({ type, data }) => [type, data.previousStatus])).toEqual([
      ['patient.inactivated', 'active'],
      ['patient.reactivated', 'inactive'],
      ['patient.deceased', 'active'],
    ]);
  });

  it('that changes nothing makes no version and no event', async () => {
    const externalIds = [
      { system: 'a', value: '1' },
      { system: 'b', value: '2' },
    ];
    const own = await aPractice(hub);
    const patient = await aPatient(hub, own, { externalIds });
    const events = await eventsFrom(hub, own, async () => {
      const answer = await hub.api(
        'PATCH',
        `/v1/practices/${own.id}/patients/${patient.id}`,
        { givenName: 'Ada', status: 'active', phone: null, externalIds: externalIds.reverse() },
        { 'if-match': '"1"' },
      );
      expect(answer).toMatchObject({ status: 200, body: { version: 1 } });
    });
    expect(events).toEqual([]);
  });

  it('needs to know the version it changes', async () => {
    const patient = await aPatient(hub, practice);
    const without = await hub.api('PATCH', `${path}/${patient.id}`, { givenName: 'B' });
    expect(without).toMatchObject({ status: 428, body: { code: 'if_match_required' } });
    expect((await patch(patient, { givenName: 'B' })).status).toBe(200);
    expect(await patch(patient, { givenName: 'C' })).toMatchObject({
      status: 412,
      body: { code: 'stale' },
    });
  });

  it.each([
    [{ species: null }, '/species', 'not_string'],
    [{ givenName: null }, '/givenName', 'not_string'],
    [{ status: 'gone' }, '/status', 'not_in'],
    [{ kind: 'human' }, '/kind', 'unknown_field'],
    [{ accountId: '019a0f5e-7c00-7000-8000-000000000001' }, '/accountId', 'unknown_account'],
  ])('is refused: %j', async (body, pointer, code) => {
    const { status, body: problem } = await patch(await anAnimal(hub, practice), body);
    expect(status).toBe(422);
    expect(problem.errors).toContainEqual(expect.objectContaining({ pointer, code }));
  });

  it('cannot reach a patient of another practice', async () => {
    const stranger = await aPatient(hub, await aPractice(hub));
    expect((await patch(stranger, { givenName: 'B' })).status).toBe(404);
    expect((await hub.api('GET', `${path}/${stranger.id}`)).status).toBe(404);
  });
});

describe('external ids', () => {
  it('find a patient, are unique in a practice, and are free again after a deletion', async () => {
    const own = await aPractice(hub);
    const externalIds = [{ system: 'open-dental', value: '7|7' }];
    const list = `/v1/practices/${own.id}/patients`;
    const patient = await aPatient(hub, own, { externalIds });
    const other = await aPatient(hub, own);
    const find = async (id: string) =>
      (await hub.api('GET', `${list}?externalId=${encodeURIComponent(id)}`)).body.data;
    expect(await find('open-dental|7|7')).toEqual([patient]);
    expect(await find('open-dental|8')).toEqual([]);

    const again = { kind: 'human', givenName: 'B', externalIds };
    expect(await hub.api('POST', list, again)).toMatchObject({
      status: 409,
      body: { code: 'external_id_taken' },
    });
    const taking = await hub.api(
      'PATCH',
      `${list}/${other.id}`,
      { externalIds },
      {
        'if-match': '"1"',
      },
    );
    expect(taking.status).toBe(409);
    expect((await hub.api('GET', `${list}/${other.id}`)).body).toEqual(other);

    await hub.api('DELETE', `${list}/${patient.id}`, undefined, { 'if-match': '"1"' });
    expect((await hub.api('POST', list, again)).status).toBe(201);
  });
});

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

describe('the list', () => {
  it('goes through all patients in order of creation, page by page', async () => {
    const own = await aPractice(hub);
    const list = `/v1/practices/${own.id}/patients`;
    const made = [];
    for (let i = 0; i < 5; i += 1) made.push((await aPatient(hub, own)).id);
    const first = await hub.api('GET', `${list}?limit=2`);
    expect(first.headers.get('hub-position')).toMatch(/^\d+\.\d+\.\d+$/);
    const seen = first.body.data.map(({ id }: any) => id);
    let cursor = first.body.nextCursor;
    while (cursor) {
      const page = await hub.api('GET', `${list}?limit=2&after=${cursor}`);
      expect(page.headers.get('hub-position')).toBeNull();
      seen.push(...page.body.data.map(({ id }: any) => id));
      cursor = page.body.nextCursor;
    }
    expect(seen).toEqual(made);
  });

  it('shows with updatedSince what has changed', async () => {
    const own = await aPractice(hub);
    const list = `/v1/practices/${own.id}/patients`;
    const [first] = [await aPatient(hub, own), await aPatient(hub, own)];
    const changed = await hub.api(
      'PATCH',
      `${list}/${first.id}`,
      { givenName: 'B' },
      {
        'if-match': '"1"',
      },
    );
    const since = encodeURIComponent(changed.body.updatedAt);
    const answer = await hub.api('GET', `${list}?updatedSince=${since}`);
    expect(answer.body.data).toEqual([changed.body]);
  });

  it.each(['limit=0', 'limit=201', 'after=x', 'updatedSince=2026-01-01', 'externalId=x', 'foo=1'])(
    'refuses %s',
    async (query) => {
      const { status, body } = await hub.api('GET', `${path}?${query}`);
      expect(status).toBe(422);
      expect(body.errors[0].parameter).toBe(query.split('=')[0]);
    },
  );
});
