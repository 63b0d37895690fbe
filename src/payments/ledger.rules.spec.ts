import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  effectOf,
  familyOf,
  paysInFull,
  refundableOf,
  refundOf,
  reversalRefusal,
} from './ledger.rules.js';

describe('the effect of an entry on what is owed', () => {
  it.each([
    ['charge', 100],
    ['debit', 100],
    ['refund', 100],
    ['reversal', 100],
    ['payment', -100],
    ['credit', -100],
  ] as const)('of a %s of 100 is %d', (kind, effect) => {
    expect(effectOf(kind, 100)).toBe(effect);
  });
});

describe('the family of an entry', () => {
  it.each([
    ['charge', 'charge'],
    ['payment', 'payment'],
    ['credit', 'adjustment'],
    ['debit', 'adjustment'],
  ] as const)('of a %s is %s', (kind, family) => {
    expect(familyOf(kind)).toBe(family);
  });
});

describe('a refund', () => {
  const refund = (amount: number) => ({ kind: 'refund' as const, amount });

  it('is all that is left where no amount is asked for', () => {
    expect(refundOf(100, [])).toEqual({ amount: 100 });
    expect(refundOf(100, [refund(30)])).toEqual({ amount: 70 });
  });

  it('is a part where that is asked for, up to all that is left', () => {
    expect(refundOf(100, [refund(30)], 70)).toEqual({ amount: 70 });
    expect(refundOf(100, [refund(30)], 71)).toEqual({
      refusal: 'refund_exceeds_payment',
      refundable: 70,
    });
  });

  it('is refused where nothing is left', () => {
    expect(refundOf(100, [refund(100)])).toEqual({
      refusal: 'refund_exceeds_payment',
      refundable: 0,
    });
    expect(refundOf(100, [{ kind: 'reversal', amount: 100 }], 1)).toEqual({
      refusal: 'payment_reversed',
      refundable: 0,
    });
  });

  it('never pays back more than was paid, whatever is asked in whatever order', () => {
    const ask = fc.option(fc.integer({ min: 1, max: 120 }), { nil: undefined });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.array(ask), (amount, asked) => {
        const undone: { kind: 'refund'; amount: number }[] = [];
        for (const wanted of asked) {
          const left = refundableOf(amount, undone);
          const answer = refundOf(amount, undone, wanted);
          if ('amount' in answer) {
            expect(answer.amount).toBe(wanted ?? left);
            undone.push(refund(answer.amount));
          } else {
            expect(answer.refundable).toBe(left);
            expect(left === 0 || wanted! > left).toBe(true);
          }
        }
        expect(undone.reduce((sum, part) => sum + part.amount, 0)).toBeLessThanOrEqual(amount);
      }),
    );
  });
});

describe('a reversal', () => {
  it('undoes only a payment that nothing has touched', () => {
    expect(reversalRefusal([])).toBeUndefined();
    expect(reversalRefusal([{ kind: 'refund', amount: 1 }])).toBe('payment_refunded');
    expect(reversalRefusal([{ kind: 'reversal', amount: 1 }])).toBe('payment_reversed');
  });
});

describe('paid in full', () => {
  it.each([
    [100, 0, true],
    [100, -5, true],
    [100, 1, false],
    [0, -5, false],
    [-5, 0, false],
  ])('from %d to %d: %s', (before, after, expected) => {
    expect(paysInFull(before, after)).toBe(expected);
  });
});
