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
  practice = await aPractice(hub, { currency: 'EUR' });
  path = `/v1/practices/${practice.id}/accounts`;
});
afterAll(() => hub?.close());

const patch = (account: any, body: object) =>
  hub.api('PATCH', `${path}/${account.id}`, body, { 'if-match': `"${account.version}"` });

describe('a new account', () => {
  it("is kept in the practice's currency, and is said", async () => {
    const own = await aPractice(hub, { currency: 'CAD' });
    const guarantor = await aPatient(hub, own);
    const before = await loggedEvents(hub, own);
    const input = {
      holder: { givenName: 'Grace', familyName: 'Moor', email: 'grace@example.com' },
      guarantorPatientId: guarantor.id,
      externalIds: [{ system: 'open-dental', value: 'G-1' }],
    };
    const accounts = `/v1/practices/${own.id}/accounts`;
    const answer = await hub.api('POST', accounts, input);
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`${hub.url}${accounts}/${answer.body.id}`);
    expect(answer.headers.get('etag')).toBe('"1"');
    expect(answer.body).toEqual({
      ...input,
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      practiceId: own.id,
      currency: 'CAD',
      balance: 0,
      version: 1,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    expect((await hub.api('GET', `${accounts}/${answer.body.id}`)).body).toEqual(answer.body);
    const found = await hub.api('GET', `${accounts}?externalId=open-dental|G-1`);
    expect(found.body).toEqual({ data: [answer.body], nextCursor: null });
    expect((await loggedEvents(hub, own)).slice(before.length)).toEqual([
      {
        type: 'account.created',
        subject: `accounts/${answer.body.id}`,
        version: 1,
        actor: 'operator',
        data: { accountId: answer.body.id, currency: 'CAD', balance: 0, ...input },
      },
    ]);
  });

  it('has a guarantor only among the people of its practice', async () => {
    const stranger = await aPatient(hub, await aPractice(hub));
    const animal = await anAnimal(hub, practice);
    for (const [patient, code] of [
      [stranger, 'unknown_patient'],
      [animal, 'animal_guarantor'],
    ]) {
      const answer = await hub.api('POST', path, {
        holder: { givenName: 'Grace' },
        guarantorPatientId: patient.id,
      });
      expect(answer).toMatchObject({
        status: 422,
        body: { errors: [{ pointer: '/guarantorPatientId', code }] },
      });
    }
  });

  it.each([
    [{}, '/holder'],
    [{ holder: { familyName: 'Moor' } }, '/holder/givenName'],
    [{ holder: { givenName: 'Grace', email: 'none' } }, '/holder/email'],
    [{ holder: { givenName: 'Grace' }, balance: 5 }, '/balance'],
  ])('is refused: %j', async (body, pointer) => {
    const answer = await hub.api('POST', path, body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].pointer).toBe(pointer);
  });
});

describe('a change of an account', () => {
  it('says who holds it and who answers for it by two events', async () => {
    const account = await anAccount(hub, practice);
    const guarantor = await aPatient(hub, practice);
    const holder = { givenName: 'Grace', familyName: 'More', phone: '+49 30 5550142' };
    let answer: any;
    const events = await eventsFrom(hub, practice, async () => {
      answer = await patch(account, { holder, guarantorPatientId: guarantor.id.toUpperCase() });
    });
    expect(answer).toMatchObject({
      status: 200,
      body: { holder, guarantorPatientId: guarantor.id, version: 2 },
    });
    expect((await hub.api('GET', `${path}/${account.id}`)).body).toEqual(answer.body);
    const common = { subject: `accounts/${account.id}`, version: 2, actor: 'operator' };
    expect(events).toEqual([
      {
        ...common,
        type: 'account.holder_changed',
        data: {
          accountId: account.id,
          holder,
          changedFields: ['holder.familyName', 'holder.phone'],
          previous: { holder: { givenName: 'Grace', familyName: 'Moor' } },
        },
      },
      {
        ...common,
        type: 'account.guarantor_changed',
        data: {
          accountId: account.id,
          guarantorPatientId: guarantor.id,
          previousGuarantorPatientId: null,
        },
      },
    ]);
    const released = await patch(answer.body, { guarantorPatientId: null });
    expect(released.body).toMatchObject({ guarantorPatientId: null, version: 3 });
  });

  it('that changes nothing makes no version and no event', async () => {
    const account = await anAccount(hub, practice);
    const events = await eventsFrom(hub, practice, async () => {
      const answer = await patch(account, { holder: account.holder, guarantorPatientId: null });
      expect(answer).toMatchObject({ status: 200, body: { version: 1 } });
    });
    expect(events).toEqual([]);
  });

  it('is held to a version that a ledger entry raises, and keeps the balance', async () => {
    const account = await anAccount(hub, practice);
    await anEntry(hub, practice, 'charges', { accountId: account.id, currency: 'EUR' });
    expect((await patch(account, { holder: { givenName: 'G' } })).status).toBe(412);
    expect((await hub.api('PATCH', `${path}/${account.id}`, {})).status).toBe(428);
    const now = (await hub.api('GET', `${path}/${account.id}`)).body;
    expect(now).toMatchObject({ balance: 10_000, version: 2 });
    expect((await patch(now, { holder: { givenName: 'G' } })).body).toMatchObject({
      balance: 10_000,
      version: 3,
    });
  });

  it('cannot reach an account of another practice', async () => {
    const stranger = await anAccount(hub, await aPractice(hub));
    expect((await patch(stranger, { holder: { givenName: 'G' } })).status).toBe(404);
    expect((await hub.api('GET', `${path}/${stranger.id}`)).status).toBe(404);
  });
});

describe('the list of accounts', () => {
  it('goes through all of a practice in order of creation', async () => {
    const own = await aPractice(hub);
    const list = `/v1/practices/${own.id}/accounts`;
    const made = [await anAccount(hub, own), await anAccount(hub, own), await anAccount(hub, own)];
    const first = await hub.api('GET', `${list}?limit=2`);
    expect(first.headers.get('hub-position')).toMatch(/^\d+\.\d+\.\d+$/);
    const second = await hub.api('GET', `${list}?limit=2&after=${first.body.nextCursor}`);
    expect([...first.body.data, ...second.body.data]).toEqual(made);
    expect(second.body.nextCursor).toBeNull();
  });

  it('shows with updatedSince what a ledger entry changed', async () => {
    const own = await aPractice(hub);
    const list = `/v1/practices/${own.id}/accounts`;
    const [, second] = [await anAccount(hub, own), await anAccount(hub, own)];
    const entry = await anEntry(hub, own, 'charges', { accountId: second.id });
    const answer = await hub.api('GET', `${list}?updatedSince=${entry.postedAt}`);
    expect(answer.body.data).toMatchObject([{ id: second.id, balance: 10_000 }]);
  });
});
