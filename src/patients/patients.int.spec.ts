import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  aPatient,
  aPractice,
  anAccount,
  anAnimal,
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
      restricted: false,
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
