import { Injectable } from '@nestjs/common';
import { DateTime } from 'luxon';
import { v7 as uuidv7 } from 'uuid';
import { databaseTime, execute, send, type Tx } from '../database/transactions.js';
import { Outbox, type Cause } from '../events/outbox/outbox.js';
import { replaceExternalIds } from '../platform/external-ids.js';
import { conflict, invalidField, notFound } from '../platform/http/problem.js';
import type { NewAdjustment, NewCharge, NewPayment } from './ledger.dto.js';
import { LedgerEntry } from './ledger-entry.entity.js';
import { entryPosted } from './ledger.events.js';
import {
  effectOf,
  familyOf,
  refundableOf,
  refundOf,
  reversalRefusal,
  type EntryKind,
  type Refusal,
} from './ledger.rules.js';
import { ledgerTarget } from './sql/ledger-target.js';
import { postEntry } from './sql/post-entry.js';

const refusals: Record<Refusal, string> = {
  payment_reversed: 'The payment was reversed; nothing of it is left.',
  payment_refunded: 'A part of the payment was refunded already. Refund what is left instead.',
  refund_exceeds_payment: 'More than is left of the payment; refundable says how much that is.',
};

const refundedInFull = 'The payment was refunded in full already; nothing of it is left.';

type Input = NewCharge &
  Partial<Pick<NewPayment, 'method' | 'payer' | 'claimId' | 'remittanceId'>> &
  Partial<Pick<NewAdjustment, 'reason'>>;

/** An entry before it has its place on the account. */
type Draft = Omit<LedgerEntry, 'ordinal' | 'balanceAfter' | 'version'>;

/** Where an entry goes: the account as it is under the practice's lock. */
interface Target {
  /** Of the practice. */
  timeZone: string;
  patientId: string | null;
  accountId: string;
  currency: string;
  balance: string;
  entries: number;
  version: number;
}

@Injectable()
export class LedgerService {
  constructor(private readonly outbox: Outbox) {}

  /**
   * Posts a charge, a payment or an adjustment.
   * @throws Problem 404 for an unknown practice, 422 for an unknown patient or account or another currency.
   */
  async post(
    tx: Tx,
    cause: Cause,
    practiceId: string,
    kind: EntryKind,
    input: Input,
  ): Promise<LedgerEntry> {
    const target = await this.target(tx, practiceId, input);
    const now = await databaseTime(tx);
    if (input.currency !== target.currency) {
      throw invalidField(
        '/currency',
        'other_currency',
        `The account is kept in ${target.currency}.`,
      );
    }
    return this.append(tx, cause, target, {
      id: uuidv7(),
      practiceId,
      accountId: target.accountId,
      patientId: target.patientId,
      kind,
      amount: input.amount,
      currency: target.currency,
      postedOn: input.postedOn ?? today(target, now),
      postedAt: now,
      method: input.method ?? null,
      payer: input.payer ?? null,
      claimId: input.claimId ?? null,
      remittanceId: input.remittanceId ?? null,
      reason: input.reason ?? null,
      description: input.description ?? null,
      reversesEntryId: null,
      externalIds: input.externalIds ?? [],
    });
  }

  /** Pays back `amount`, or all that is left. @throws Problem 409 */
  async refund(
    tx: Tx,
    cause: Cause,
    payment: LedgerEntry,
    input: { amount?: number; reason?: string },
  ): Promise<LedgerEntry> {
    const refund = refundOf(payment.amount, await this.undone(tx, payment), input.amount);
    if ('refusal' in refund) {
      const { refusal, refundable } = refund;
      throw conflict(refusal, refusals[refusal], { refundable });
    }
    return this.undo(tx, cause, payment, 'refund', refund.amount, input.reason);
  }

  /** Undoes a payment as a whole. @throws Problem 409 */
  async reverse(
    tx: Tx,
    cause: Cause,
    payment: LedgerEntry,
    input: { reason?: string },
  ): Promise<LedgerEntry> {
    const undone = await this.undone(tx, payment);
    const refusal = reversalRefusal(undone);
    if (refusal) {
      const refundable = refundableOf(payment.amount, undone);
      const isSpent = refusal === 'payment_refunded' && refundable === 0;
      throw conflict(refusal, isSpent ? refundedInFull : refusals[refusal], { refundable });
    }
    return this.undo(tx, cause, payment, 'reversal', payment.amount, input.reason);
  }

  private undone(tx: Tx, { practiceId, id }: LedgerEntry): Promise<LedgerEntry[]> {
    return tx.findBy(LedgerEntry, { practiceId, reversesEntryId: id });
  }

  private async undo(
    tx: Tx,
    cause: Cause,
    payment: LedgerEntry,
    kind: 'refund' | 'reversal',
    amount: number,
    reason: string | undefined,
  ): Promise<LedgerEntry> {
    const { practiceId, accountId } = payment;
    const target = await this.target(tx, practiceId, { accountId });
    const now = await databaseTime(tx);
    return this.append(tx, cause, target, {
      ...payment,
      id: uuidv7(),
      kind,
      amount,
      postedOn: today(target, now),
      postedAt: now,
      reason: reason ?? null,
      description: null,
      reversesEntryId: payment.id,
      externalIds: [],
    });
  }

  private async append(tx: Tx, cause: Cause, account: Target, draft: Draft): Promise<LedgerEntry> {
    const balanceAfter = Number(account.balance) + effectOf(draft.kind, draft.amount);
    const entry = Object.assign(new LedgerEntry(), draft, { balanceAfter });
    if (draft.externalIds.length > 0) {
      const { practiceId, id, externalIds } = draft;
      await replaceExternalIds(tx, practiceId, familyOf(draft.kind), id, externalIds);
    }
    send(tx, postEntry, [
      draft.id,
      draft.practiceId,
      draft.accountId,
      draft.patientId,
      draft.kind,
      draft.amount,
      draft.currency,
      account.entries + 1,
      balanceAfter,
      draft.postedOn,
      draft.postedAt,
      draft.method,
      draft.payer && JSON.stringify(draft.payer),
      draft.claimId,
      draft.remittanceId,
      draft.reason,
      draft.description,
      draft.reversesEntryId,
      JSON.stringify(draft.externalIds),
      account.version,
    ]);
    this.outbox.say(tx, cause, entryPosted(entry, account.version + 1));
    return entry;
  }

  private async target(
    tx: Tx,
    practiceId: string,
    { patientId, accountId }: Pick<Input, 'patientId' | 'accountId'>,
  ): Promise<Target> {
    const [target] = await execute<Target>(tx, ledgerTarget, [practiceId, patientId, accountId]);
    if (!target) throw notFound('practice');
    if ((patientId === undefined) === (accountId === undefined)) {
      throw invalidField('/accountId', 'one_target', 'Give either patientId or accountId.');
    }
    if (patientId && !target.patientId) {
      throw invalidField('/patientId', 'unknown_patient', 'The practice has no such patient.');
    }
    if (!target.accountId) {
      throw invalidField('/accountId', 'unknown_account', 'The practice has no such account.');
    }
    return target;
  }
}

/** Zones are read by one library everywhere: the server's own may be older and not know a name. */
function today({ timeZone }: Target, now: Date): string {
  const known = days.get(timeZone);
  if (known && known.from <= now && now < known.to) return known.date;
  const day = DateTime.fromJSDate(now, { zone: timeZone }).startOf('day');
  const date = day.toISODate()!;
  // Begun anew: where a clock change skips midnight, a day does not begin at 00:00.
  const next = day.plus({ days: 1 }).startOf('day');
  days.set(timeZone, { date, from: day.toJSDate(), to: next.toJSDate() });
  return date;
}

/** The day last asked for in each zone: reckoned anew for every entry it is the dearest of all that an entry takes. */
const days = new Map<string, { date: string; from: Date; to: Date }>();
