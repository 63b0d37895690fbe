import type { AnyNewEvent, NewEvent } from '../events/outbox/outbox.js';
import type { LedgerEntry } from './ledger-entry.entity.js';
import { effectOf, paysInFull } from './ledger.rules.js';

/** What an entry says: itself, and what it did to its account, in that order. */
export function entryPosted(entry: LedgerEntry, accountVersion: number): AnyNewEvent[] {
  const { practiceId, accountId, kind, amount, currency, balanceAfter } = entry;
  const about: About = {
    practiceId,
    subjectId: accountId,
    subjectVersion: accountVersion,
    time: entry.postedAt,
    // Also of its account's balance, whose data does not say whom the entry is about.
    patientId: entry.patientId,
  };
  const previousBalance = balanceAfter - effectOf(kind, amount);
  const data = { accountId, balance: balanceAfter, previousBalance, currency, entryId: entry.id };
  const events: AnyNewEvent[] = [
    posted(about, entry),
    { ...about, type: 'account.balance_changed', data },
  ];
  if (paysInFull(previousBalance, balanceAfter)) {
    events.push({ ...about, type: 'account.paid_in_full', data });
  }
  return events;
}

type About = Omit<NewEvent<'payment.posted'>, 'type' | 'data'>;

function posted(about: About, entry: LedgerEntry): AnyNewEvent {
  const { kind } = entry;
  switch (kind) {
    case 'charge':
      return { ...about, type: 'charge.posted', data: { ...entryOf(entry), kind } };
    case 'credit':
    case 'debit': {
      // The table's checks promise an adjustment its reason.
      const data = { ...entryOf(entry), kind, reason: entry.reason! };
      return { ...about, type: 'adjustment.posted', data };
    }
    case 'payment':
      return { ...about, type: 'payment.posted', data: { ...paymentOf(entry), kind } };
    case 'refund':
      return { ...about, type: 'payment.refunded', data: { ...undoingOf(entry), kind } };
    case 'reversal':
      return { ...about, type: 'payment.reversed', data: { ...undoingOf(entry), kind } };
  }
}

function entryOf(entry: LedgerEntry) {
  const { id, accountId, patientId, amount, currency, postedAt, postedOn, balanceAfter } = entry;
  return {
    entryId: id,
    accountId,
    patientId: patientId ?? undefined,
    amount,
    currency,
    postedAt: postedAt.toISOString(),
    postedOn,
    balanceAfter,
    description: entry.description ?? undefined,
    externalIds: entry.externalIds,
  };
}

// The table's checks promise a payment, and what undoes one, its method and payer.
function paymentOf(entry: LedgerEntry) {
  return {
    ...entryOf(entry),
    method: entry.method!,
    payer: entry.payer!,
    claimId: entry.claimId ?? undefined,
    remittanceId: entry.remittanceId ?? undefined,
  };
}

function undoingOf(entry: LedgerEntry) {
  return {
    ...paymentOf(entry),
    reversesEntryId: entry.reversesEntryId!,
    reason: entry.reason ?? undefined,
  };
}
