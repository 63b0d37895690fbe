import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  aPatient,
  aPractice,
  anAccount,
  anAnimal,
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

const patch = (patient: any, body: object, version = patient.version) =>
  hub.api('PATCH', `${path}/${patient.id}`, body, { 'if-match': `"${version}"` });

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

  it('that restricts a patient is a new version of which no event tells, and every hub looks anew', async () => {
    const versions = async () =>
      (await hub.database.query('select version::int, restrictions::int from endpoint_set_version'))
        .rows[0];
    const patient = await aPatient(hub, practice, { restricted: false });
    const before = await versions();
    let answer: any;
    const events = await eventsFrom(hub, practice, async () => {
      answer = await patch(patient, { restricted: true });
      await patch(answer.body, { givenName: 'B' });
    });
    expect(answer).toMatchObject({ status: 200, body: { restricted: true, version: 2 } });
    expect(events.map(({ type, data }) => [type, data.changedFields])).toEqual([
      ['patient.updated', ['givenName']],
    ]);
    expect(JSON.stringify(events)).not.toContain('restricted');
    expect(await versions()).toEqual({
      version: before.version + 1,
      restrictions: before.restrictions + 1,
    });
    const born = await aPatient(hub, practice, { restricted: true });
    expect((await hub.api('GET', `${path}/${born.id}`)).body.restricted).toBe(true);
  });

  it('that leaves somebody restricted alone on an account makes every hub look anew', async () => {
    const restrictions = async () =>
      (await hub.database.query('select restrictions::int from endpoint_set_version')).rows[0]
        .restrictions;
    const quiet = await aPatient(hub, practice, { restricted: true });
    const { accountId } = quiet;
    const leaving = await aPatient(hub, practice, { accountId });
    const madeInError = await aPatient(hub, practice, { accountId });
    const elsewhere = await aPatient(hub, practice);
    const before = await restrictions();
    expect((await patch(leaving, { accountId: elsewhere.accountId })).status).toBe(200);
    expect(await restrictions()).toBe(before + 1);
    const at = `${path}/${madeInError.id}`;
    const deleted = await hub.api('DELETE', at, undefined, { 'if-match': '*' });
    expect(deleted.status).toBe(204);
    expect(await restrictions()).toBe(before + 2);
    // Nobody on it is.
    const [one, two] = [await aPatient(hub, practice), await aPatient(hub, practice)];
    expect((await patch(one, { accountId: two.accountId })).status).toBe(200);
    expect(await restrictions()).toBe(before + 2);
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
