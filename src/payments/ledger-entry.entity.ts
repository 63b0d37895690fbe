import { Column, Entity, PrimaryColumn } from 'typeorm';
import { ExternalId } from '../platform/external-ids.js';
import type { EntryKind } from './ledger.rules.js';

export const paymentMethods = ['cash', 'card', 'check', 'transfer', 'other'] as const;
export type PaymentMethod = (typeof paymentMethods)[number];

export const payerTypes = ['patient', 'insurance', 'other'] as const;
export type PayerType = (typeof payerTypes)[number];

export interface Payer {
  type: PayerType;
  name?: string;
}

const minorUnits = { from: Number, to: String };

/** One line of an account's ledger. Never changed: what is wrong is undone by another. */
@Entity('ledger_entries')
export class LedgerEntry {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  practiceId: string;

  @Column('uuid')
  accountId: string;

  @Column('uuid', { nullable: true })
  patientId: string | null;

  /** Its place on the account, from 1. */
  @Column('int', { select: false })
  ordinal?: number;

  @Column('text')
  kind: EntryKind;

  /** Minor units, positive; the kind gives the sign. */
  @Column('bigint', { transformer: minorUnits })
  amount: number;

  @Column('char')
  currency: string;

  /** The account's balance with this entry, in the order in which entries were made. */
  @Column('bigint', { transformer: minorUnits })
  balanceAfter: number;

  /** `YYYY-MM-DD`: the day it counts for, on the practice's calendar. */
  @Column('date')
  postedOn: string;

  /** By the database's clock. */
  @Column('timestamptz')
  postedAt: Date;

  @Column('text', { nullable: true })
  method: PaymentMethod | null;

  @Column('jsonb', { nullable: true })
  payer: Payer | null;

  @Column('text', { nullable: true })
  claimId: string | null;

  @Column('text', { nullable: true })
  remittanceId: string | null;

  @Column('text', { nullable: true })
  reason: string | null;

  @Column('text', { nullable: true })
  description: string | null;

  /** The payment that this refund or reversal undoes. */
  @Column('uuid', { nullable: true })
  reversesEntryId: string | null;

  @Column('jsonb')
  externalIds: ExternalId[];

  /** An entry never changes; the version is what every resource has an ETag from. */
  readonly version = 1;
}
