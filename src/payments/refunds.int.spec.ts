import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { aPatient, aPractice, anEntry, eventsFrom } from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let practice: any;
let path: string;
let payment: any;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  path = `/v1/practices/${practice.id}`;
});
afterAll(() => hub?.close());

beforeEach(async () => {
  const patient = await aPatient(hub, practice);
  payment = await anEntry(hub, practice, 'payments', {
    patientId: patient.id,
    method: 'check',
    payer: { type: 'insurance', name: 'Prairie Mutual' },
    claimId: 'C-1',
    externalIds: [{ system: 's', value: patient.id }],
  });
});

const act = (action: 'refund' | 'reverse', body?: object, headers?: Record<string, string>) =>
  hub.api('POST', `${path}/payments/${payment.id}/${action}`, body, headers);
const balance = async () =>
  (await hub.api('GET', `${path}/accounts/${payment.accountId}`)).body.balance;

describe('a refund', () => {
  it('is an entry of its own that names the payment', async () => {
    let answer: any;
    const events = await eventsFrom(hub, practice, async () => {
      answer = await act('refund', { amount: 2500, reason: 'paid twice' });
    });
    expect(answer.status).toBe(201);
    const entry = answer.body;
    expect(entry).toMatchObject({
      accountId: payment.accountId,
      patientId: payment.patientId,
      kind: 'refund',
      amount: 2500,
      currency: 'USD',
      balanceAfter: -7500,
      method: 'check',
      payer: { type: 'insurance', name: 'Prairie Mutual' },
      claimId: 'C-1',
      reason: 'paid twice',
      reversesEntryId: payment.id,
      externalIds: [],
    });
    const address = `${path}/accounts/${payment.accountId}/entries/${entry.id}`;
    expect(answer.headers.get('location')).toBe(`${hub.url}${address}`);
    expect((await hub.api('GET', address)).body).toEqual(entry);
    expect((await hub.api('GET', `${path}/payments/${payment.id}`)).body).toEqual(payment);
    expect(await balance()).toBe(-7500);

    const common = { subject: `accounts/${payment.accountId}`, version: 3, actor: 'operator' };
    expect(events).toEqual([
      {
        ...common,
        type: 'payment.refunded',
        data: {
          entryId: entry.id,
          accountId: payment.accountId,
          patientId: payment.patientId,
          kind: 'refund',
          amount: 2500,
          currency: 'USD',
          method: 'check',
          payer: { type: 'insurance', name: 'Prairie Mutual' },
          claimId: 'C-1',
          reversesEntryId: payment.id,
          reason: 'paid twice',
          postedAt: entry.postedAt,
          postedOn: entry.postedOn,
          balanceAfter: -7500,
          externalIds: [],
        },
      },
      {
        ...common,
        type: 'account.balance_changed',
        data: {
          accountId: payment.accountId,
          balance: -7500,
          previousBalance: -10_000,
          currency: 'USD',
          entryId: entry.id,
        },
      },
    ]);
  });

  it('without an amount pays back all that is left', async () => {
    await act('refund', { amount: 2500 });
    expect((await act('refund')).body).toMatchObject({ amount: 7500, balanceAfter: 0 });
    expect(await act('refund')).toMatchObject({
      status: 409,
      body: { code: 'refund_exceeds_payment', refundable: 0 },
    });
  });

  it('never exceeds the payment', async () => {
    await act('refund', { amount: 4000 });
    expect(await act('refund', { amount: 6001 })).toMatchObject({
      status: 409,
      body: { code: 'refund_exceeds_payment', refundable: 6000 },
    });
    expect((await act('refund', { amount: 6000 })).status).toBe(201);
    expect(await balance()).toBe(0);
  });

  it('never exceeds the payment when many ask at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => act('refund', { amount: 3000 })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(5);
    expect(await balance()).toBe(-1000);
  });

  it('happens once per Idempotency-Key', async () => {
    const once = () => act('refund', { amount: 100 }, { 'idempotency-key': payment.id });
    expect((await once()).body).toEqual((await once()).body);
    expect(await balance()).toBe(-9900);
  });

  it.each([{ amount: 0 }, { amount: 1.5 }, { reason: '' }, { postedOn: '2026-01-01' }])(
    'is refused: %j',
    async (body) => {
      expect((await act('refund', body)).status).toBe(422);
    },
  );
});

describe('a reversal', () => {
  it('undoes the payment as a whole', async () => {
    let answer: any;
    const events = await eventsFrom(hub, practice, async () => {
      answer = await act('reverse', { reason: 'returned unpaid' });
    });
    expect(answer).toMatchObject({
      status: 201,
      body: {
        kind: 'reversal',
        amount: 10_000,
        balanceAfter: 0,
        reason: 'returned unpaid',
        reversesEntryId: payment.id,
      },
    });
    expect(events.map(({ type }) => type)).toEqual(['payment.reversed', 'account.balance_changed']);
    expect(events[0]!.data).toMatchObject({
      entryId: answer.body.id,
      kind: 'reversal',
      amount: 10_000,
      reversesEntryId: payment.id,
      reason: 'returned unpaid',
    });
  });

  it('is refused a second time, and so is a refund after it', async () => {
    await act('reverse');
    expect(await act('reverse')).toMatchObject({ status: 409, body: { code: 'payment_reversed' } });
    expect(await act('refund')).toMatchObject({ status: 409, body: { code: 'payment_reversed' } });
    expect(await balance()).toBe(0);
  });

  it('is refused after a refund', async () => {
    await act('refund', { amount: 1 });
    expect(await act('reverse')).toMatchObject({
      status: 409,
      body: {
        code: 'payment_refunded',
        detail: expect.stringMatching(/Refund what is left/),
        refundable: 9_999,
      },
    });
  });

  it('is told after a full refund that nothing is left, instead of to refund that', async () => {
    await act('refund', { amount: 4000 });
    await act('refund');
    expect(await act('reverse')).toMatchObject({
      status: 409,
      body: {
        code: 'payment_refunded',
        detail: expect.stringMatching(/in full already; nothing of it is left/),
        refundable: 0,
      },
    });
  });

  it('looks at If-Match where it is given', async () => {
    expect((await act('reverse', {}, { 'if-match': '"2"' })).status).toBe(412);
    expect((await act('reverse', {}, { 'if-match': '"1"' })).status).toBe(201);
  });
});

it('nothing but a payment of the practice can be refunded or reversed', async () => {
  const charge = await anEntry(hub, practice, 'charges', { accountId: payment.accountId });
  const refund = (await act('refund', { amount: 1 })).body;
  const other = await aPractice(hub);
  for (const action of ['refund', 'reverse']) {
    for (const address of [
      `${path}/payments/${charge.id}`,
      `${path}/payments/${refund.id}`,
      `${path}/payments/none`,
      `/v1/practices/${other.id}/payments/${payment.id}`,
    ]) {
      expect((await hub.api('POST', `${address}/${action}`)).status).toBe(404);
    }
  }
});
