import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  aPatient,
  aPractice,
  anAccount,
  anEntry,
  eventsFrom,
  loggedEvents,
} from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let practice: any;
let patient: any;
let path: string;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  path = `/v1/practices/${practice.id}`;
  patient = await aPatient(hub, practice);
});
afterAll(() => hub?.close());

const balanceOf = async (accountId: string) =>
  (await hub.api('GET', `${path}/accounts/${accountId}`)).body.balance;

describe('posting', () => {
  it('a charge, a payment and an adjustment makes entries that never change', async () => {
    const { accountId } = await aPatient(hub, practice);
    const externalIds = [{ system: 'open-dental', value: 'proc-1' }];
    const charge = await hub.api('POST', `${path}/charges`, {
      accountId,
      amount: 18_500,
      currency: 'USD',
      postedOn: '2026-03-08',
      description: 'Exam\nand cleaning',
      externalIds,
    });
    expect(charge.status).toBe(201);
    expect(charge.headers.get('location')).toBe(`${hub.url}${path}/charges/${charge.body.id}`);
    expect(charge.headers.get('etag')).toBe('"1"');
    expect(charge.body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      practiceId: practice.id,
      accountId,
      patientId: null,
      kind: 'charge',
      amount: 18_500,
      currency: 'USD',
      balanceAfter: 18_500,
      postedOn: '2026-03-08',
      postedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      method: null,
      payer: null,
      claimId: null,
      remittanceId: null,
      reason: null,
      description: 'Exam\nand cleaning',
      reversesEntryId: null,
      externalIds,
      version: 1,
    });

    const payment = await anEntry(hub, practice, 'payments', {
      accountId,
      amount: 12_500,
      method: 'check',
      payer: { type: 'insurance', name: 'Prairie Mutual' },
      claimId: 'C-1',
      remittanceId: 'R-1',
    });
    expect(payment).toMatchObject({
      kind: 'payment',
      balanceAfter: 6000,
      method: 'check',
      payer: { type: 'insurance', name: 'Prairie Mutual' },
      claimId: 'C-1',
      remittanceId: 'R-1',
    });
    const debit = await anEntry(hub, practice, 'adjustments', {
      accountId,
      amount: 500,
      kind: 'debit',
      reason: 'late fee',
    });
    expect(debit).toMatchObject({ kind: 'debit', balanceAfter: 6500, reason: 'late fee' });
    const credit = await anEntry(hub, practice, 'adjustments', { accountId, amount: 7000 });
    expect(credit).toMatchObject({ kind: 'credit', balanceAfter: -500 });
    expect(await balanceOf(accountId)).toBe(-500);

    for (const [family, entry] of [
      ['charges', charge.body],
      ['payments', payment],
      ['adjustments', debit],
    ]) {
      const got = await hub.api('GET', `${path}/${family}/${entry.id}`);
      expect(got).toMatchObject({ status: 200, body: entry });
      expect(got.headers.get('etag')).toBe('"1"');
      const same = await hub.api('GET', `${path}/accounts/${accountId}/entries/${entry.id}`);
      expect(same.body).toEqual(entry);
    }
    const entries = await hub.api('GET', `${path}/accounts/${accountId}/entries`);
    expect(entries.body.data).toEqual([charge.body, payment, debit, credit]);
    const first = await hub.api('GET', `${path}/accounts/${accountId}/entries?limit=3`);
    expect(first.headers.get('hub-position')).toMatch(/^\d+\.\d+\.\d+$/);
    const rest = await hub.api(
      'GET',
      `${path}/accounts/${accountId}/entries?limit=3&after=${first.body.nextCursor}`,
    );
    expect([...first.body.data, ...rest.body.data]).toEqual(entries.body.data);
    expect(rest.body.nextCursor).toBeNull();
    const since = await hub.api(
      'GET',
      `${path}/accounts/${accountId}/entries?updatedSince=${debit.postedAt}`,
    );
    expect(since.body.data).toEqual([debit, credit]);
  });

  it('is said on the account, at the version the entry gave it', async () => {
    const own = await aPractice(hub);
    const { id, accountId } = await aPatient(hub, own);
    const before = await loggedEvents(hub, own);
    const charge = await anEntry(hub, own, 'charges', { patientId: id, description: 'Exam' });
    const payment = await anEntry(hub, own, 'payments', {
      patientId: id,
      payer: { type: 'patient', name: 'Ada Byrne' },
      externalIds: [{ system: 'pos', value: '9' }],
    });
    const credit = await anEntry(hub, own, 'adjustments', { accountId, amount: 1 });
    const common = { subject: `accounts/${accountId}`, actor: 'operator' };
    const data = (entry: any) => ({
      entryId: entry.id,
      accountId,
      kind: entry.kind,
      amount: entry.amount,
      currency: 'USD',
      postedAt: entry.postedAt,
      postedOn: entry.postedOn,
      balanceAfter: entry.balanceAfter,
      externalIds: entry.externalIds,
    });
    const balance = (entry: any, previousBalance: number) => ({
      accountId,
      balance: entry.balanceAfter,
      previousBalance,
      currency: 'USD',
      entryId: entry.id,
    });
    expect((await loggedEvents(hub, own)).slice(before.length)).toEqual([
      {
        ...common,
        type: 'charge.posted',
        version: 2,
        data: { ...data(charge), patientId: id, description: 'Exam' },
      },
      {
        ...common,
        type: 'account.balance_changed',
        version: 2,
        data: balance(charge, 0),
      },
      {
        ...common,
        type: 'payment.posted',
        version: 3,
        data: {
          ...data(payment),
          patientId: id,
          method: 'card',
          payer: { type: 'patient', name: 'Ada Byrne' },
        },
      },
      {
        ...common,
        type: 'account.balance_changed',
        version: 3,
        data: balance(payment, 10_000),
      },
      { ...common, type: 'account.paid_in_full', version: 3, data: balance(payment, 10_000) },
      {
        ...common,
        type: 'adjustment.posted',
        version: 4,
        data: { ...data(credit), reason: 'courtesy' },
      },
      {
        ...common,
        type: 'account.balance_changed',
        version: 4,
        data: balance(credit, 0),
      },
    ]);
    const { rows } = await hub.database.query(
      `select time from events where practice_id = $1 and type = 'charge.posted'`,
      [own.id],
    );
    expect(rows[0].time.toISOString()).toBe(charge.postedAt);
  });

  it("counts for today on the practice's calendar where no day is given", async () => {
    // Fourteen hours ahead and eleven behind: at any moment at least one of them is on another day than UTC.
    for (const timeZone of ['Pacific/Kiritimati', 'Pacific/Pago_Pago']) {
      const own = await aPractice(hub, { timeZone });
      const account = await anAccount(hub, own);
      const entry = await anEntry(hub, own, 'charges', { accountId: account.id });
      const { rows } = await hub.database.query(
        `select ($1::timestamptz at time zone $2)::date::text as day`,
        [entry.postedAt, timeZone],
      );
      expect(entry.postedOn).toBe(rows[0].day);
    }
  });

  it.each([
    ['neither patient nor account', { patientId: undefined }, '/accountId', 'one_target'],
    ['nothing', { amount: 0 }, '/amount', 'min'],
    ['less than nothing', { amount: -5 }, '/amount', 'min'],
    ['parts of a cent', { amount: 10.5 }, '/amount', 'not_int'],
    ['text', { amount: '10' }, '/amount', 'not_int'],
    ['another currency', { currency: 'EUR' }, '/currency', 'other_currency'],
    ['no currency', { currency: 'XXZ' }, '/currency', 'not_currency'],
    ['no method', { method: undefined }, '/method', 'not_in'],
    ['no payer', { payer: undefined }, '/payer', 'not_object'],
    ['an unknown payer', { payer: { type: 'friend' } }, '/payer/type', 'not_in'],
    [
      'an unknown patient',
      { patientId: '019a0f5e-7c00-7000-8000-000000000001' },
      '/patientId',
      'unknown_patient',
    ],
    [
      'an unknown account',
      { patientId: undefined, accountId: '019a0f5e-7c00-7000-8000-000000000001' },
      '/accountId',
      'unknown_account',
    ],
  ])('is refused for %s', async (_, change, pointer, code) => {
    const events = await eventsFrom(hub, practice, async () => {
      const { status, body } = await hub.api('POST', `${path}/payments`, {
        patientId: patient.id,
        amount: 100,
        currency: 'USD',
        method: 'cash',
        payer: { type: 'patient' },
        ...change,
      });
      expect(status).toBe(422);
      expect(body.errors).toContainEqual(expect.objectContaining({ pointer, code }));
    });
    expect(events).toEqual([]);
  });

  it('is refused for both a patient and an account, and for those of another practice', async () => {
    const stranger = await aPatient(hub, await aPractice(hub));
    for (const [target, pointer, code] of [
      [{ patientId: patient.id, accountId: patient.accountId }, '/accountId', 'one_target'],
      [{ patientId: stranger.id }, '/patientId', 'unknown_patient'],
      [{ accountId: stranger.accountId }, '/accountId', 'unknown_account'],
    ] as const) {
      const { body } = await hub.api('POST', `${path}/charges`, {
        ...target,
        amount: 100,
        currency: 'USD',
      });
      expect(body.errors).toEqual([expect.objectContaining({ pointer, code })]);
    }
    const nowhere = '/v1/practices/019a0f5e-7c00-7000-8000-000000000001/charges';
    const body = { patientId: patient.id, amount: 100, currency: 'USD' };
    expect((await hub.api('POST', nowhere, body)).status).toBe(404);
  });

  it('an adjustment needs a kind and a reason', async () => {
    const body = { patientId: patient.id, amount: 100, currency: 'USD' };
    const answer = await hub.api('POST', `${path}/adjustments`, body);
    expect(answer.body.errors.map(({ pointer }: any) => pointer)).toEqual(
      expect.arrayContaining(['/kind', '/reason']),
    );
  });

  it('happens once per Idempotency-Key', async () => {
    const account = await anAccount(hub, practice);
    const post = (amount: number) =>
      hub.api(
        'POST',
        `${path}/charges`,
        { accountId: account.id, amount, currency: 'USD' },
        { 'idempotency-key': 'charge-1' },
      );
    const first = await post(100);
    expect(await post(100)).toMatchObject({ status: 201, body: first.body });
    expect((await post(200)).body.code).toBe('idempotency_key_reused');
    expect(await balanceOf(account.id)).toBe(100);
  });
});
