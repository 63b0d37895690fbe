import { Column, Entity, PrimaryColumn } from 'typeorm';
import { ExternalId } from '../platform/external-ids.js';

/** The person an account is made out to; for an animal, its owner. */
export interface Holder {
  givenName: string;
  familyName?: string;
  email?: string;
  phone?: string;
}

/** Who pays for one or more patients. What is owed is the sum of its ledger entries. */
@Entity('accounts')
export class Account {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  practiceId: string;

  @Column('jsonb')
  holder: Holder;

  @Column('uuid', { nullable: true })
  guarantorPatientId: string | null;

  @Column('char')
  currency: string;

  /** Minor units; positive is owed to the practice. Only a ledger entry changes it. */
  @Column('bigint', { transformer: { from: Number, to: String } })
  balance: number;

  @Column('jsonb')
  externalIds: ExternalId[];

  /** Rises with every change, each ledger entry included. */
  @Column('int')
  version: number;

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz')
  updatedAt: Date;
}
