/** A credit or debit is an adjustment; a refund or reversal undoes a payment. */
export const entryKinds = ['charge', 'payment', 'credit', 'debit', 'refund', 'reversal'] as const;
export type EntryKind = (typeof entryKinds)[number];

/** A family has routes of its own; refunds and reversals are seen on their account. */
export const families = {
  charge: ['charge'],
  payment: ['payment'],
  adjustment: ['credit', 'debit'],
} as const satisfies Record<string, readonly EntryKind[]>;
export type Family = keyof typeof families;

/** Of a kind that is posted by itself. Pure. */
export function familyOf(kind: EntryKind): Family {
  return kind === 'charge' || kind === 'payment' ? kind : 'adjustment';
}

/**
 * What an entry does to the balance, in minor units: positive makes the account owe more. Pure; the database
 * derives the same by itself and refuses an entry that disagrees.
 */
export function effectOf(kind: EntryKind, amount: number): number {
  return kind === 'payment' || kind === 'credit' ? -amount : amount;
}

/** An entry that undoes a payment or a part of it. */
export interface Undoing {
  kind: EntryKind;
  amount: number;
}

/** What of a payment has not been paid back yet; nothing once it is reversed. Pure. */
export function refundableOf(amount: number, undone: readonly Undoing[]): number {
  return undone.reduce(
    (left, { kind, amount: part }) => (kind === 'reversal' ? 0 : left - part),
    amount,
  );
}

export type Refusal = 'payment_reversed' | 'payment_refunded' | 'refund_exceeds_payment';

/** How much to pay back: `wanted`, or all that is left; or why not. Pure. */
export function refundOf(
  amount: number,
  undone: readonly Undoing[],
  wanted?: number,
): { amount: number } | { refusal: Refusal; refundable: number } {
  const refundable = refundableOf(amount, undone);
  if (undone.some(({ kind }) => kind === 'reversal')) {
    return { refusal: 'payment_reversed', refundable };
  }
  const refund = wanted ?? refundable;
  if (refund > refundable || refund === 0) return { refusal: 'refund_exceeds_payment', refundable };
  return { amount: refund };
}

/** Why a payment cannot be reversed: only one that nobody has touched can. Pure. */
export function reversalRefusal(undone: readonly Undoing[]): Refusal | undefined {
  if (undone.some(({ kind }) => kind === 'reversal')) return 'payment_reversed';
  return undone.length > 0 ? 'payment_refunded' : undefined;
}

/** Pure. */
export function paysInFull(previousBalance: number, balance: number): boolean {
  return previousBalance > 0 && balance <= 0;
}
