import { event } from './define.js';
import { full, id, minimum } from './fields.js';

/**
 * Amounts, dates of posting and numbers of claims and remittances say nothing of who somebody is, and whoever
 * reconciles payments needs them; free text and the payer's name may say it. An entry's own number in another
 * system names a booking, not a person.
 */
const entryFields = {
  entryId: id.uuid(),
  accountId: id.uuid(),
  patientId: id.uuid().optional(),
  /** Minor units, always positive: the kind gives the sign. */
  amount: minimum.integer(),
  currency: minimum.text(),
  postedAt: minimum.instant(),
  /** The day it counts for, on the practice's calendar. */
  postedOn: minimum.date(),
  /** Of the account, in the order in which entries were made; positive is owed to the practice. */
  balanceAfter: minimum.integer(),
  description: full.text().optional(),
  externalIds: minimum.list({ system: minimum.text(), value: minimum.text() }),
};

const paymentFields = {
  ...entryFields,
  method: minimum.oneOf('cash', 'card', 'check', 'transfer', 'other'),
  payer: minimum.object({
    type: minimum.oneOf('patient', 'insurance', 'other'),
    name: full.text().optional(),
  }),
  claimId: minimum.text().optional(),
  remittanceId: minimum.text().optional(),
};

const undoingFields = {
  ...paymentFields,
  reversesEntryId: id.uuid(),
  reason: full.text().optional(),
};

const links = (data: { accountId: string; entryId: string }) => ({
  entry: `/accounts/${data.accountId}/entries/${data.entryId}`,
  account: `/accounts/${data.accountId}`,
});

const entry = {
  accountId: '019a0f5e-7c00-7000-8000-000000000021',
  patientId: '019a0f5e-7c00-7000-8000-000000000011',
  currency: 'USD',
  postedAt: '2026-03-08T15:04:05.678Z',
  postedOn: '2026-03-08',
};

const payment = {
  ...entry,
  entryId: '019a0f5e-7c00-7000-8000-000000000042',
  amount: 12500,
  balanceAfter: 6000,
  method: 'check' as const,
  payer: { type: 'insurance' as const, name: 'Prairie Mutual Dental' },
  claimId: 'CLM-88213',
  remittanceId: 'ERA-20260308-17',
  externalIds: [{ system: 'open-dental', value: 'pay-90211' }],
};

export const ledgerEvents = {
  'charge.posted': event({
    version: 1,
    description: 'Something done or sold was charged to an account.',
    subject: 'accounts',
    fields: { ...entryFields, kind: minimum.oneOf('charge') },
    links,
    example: {
      ...entry,
      entryId: '019a0f5e-7c00-7000-8000-000000000041',
      kind: 'charge',
      amount: 18500,
      balanceAfter: 18500,
      description: 'Periodic exam and cleaning',
      externalIds: [{ system: 'open-dental', value: 'proc-55120' }],
    },
  }),

  'payment.posted': event({
    version: 1,
    description: 'A payment was posted on an account: by the patient, an insurer or somebody else.',
    subject: 'accounts',
    fields: { ...paymentFields, kind: minimum.oneOf('payment') },
    links,
    example: { ...payment, kind: 'payment', description: 'Paid at the front desk' },
  }),

  'payment.refunded': event({
    version: 1,
    description: 'A payment, or a part of it, was paid back.',
    subject: 'accounts',
    fields: { ...undoingFields, kind: minimum.oneOf('refund') },
    links,
    example: {
      ...payment,
      entryId: '019a0f5e-7c00-7000-8000-000000000043',
      kind: 'refund',
      amount: 2500,
      balanceAfter: 8500,
      externalIds: [],
      reversesEntryId: payment.entryId,
      reason: 'The patient paid the insured part twice',
    },
  }),

  'payment.reversed': event({
    version: 1,
    description: 'A payment was undone as a whole: a check that bounced, a posting in error.',
    subject: 'accounts',
    fields: { ...undoingFields, kind: minimum.oneOf('reversal') },
    links,
    example: {
      ...payment,
      entryId: '019a0f5e-7c00-7000-8000-000000000044',
      kind: 'reversal',
      balanceAfter: 18500,
      externalIds: [],
      reversesEntryId: payment.entryId,
      reason: 'The check was returned unpaid',
    },
  }),

  'adjustment.posted': event({
    version: 1,
    description:
      'A balance was corrected without a charge or payment: a write-off, a courtesy, a fee.',
    subject: 'accounts',
    fields: {
      ...entryFields,
      kind: minimum.oneOf('credit', 'debit'),
      reason: full.text(),
    },
    links,
    example: {
      ...entry,
      entryId: '019a0f5e-7c00-7000-8000-000000000045',
      kind: 'credit',
      amount: 6000,
      balanceAfter: 0,
      reason: 'Courtesy write-off for a long wait',
      externalIds: [],
    },
  }),
};
