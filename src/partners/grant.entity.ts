import { Column, Entity, PrimaryColumn, VirtualColumn } from 'typeorm';
import type { PayloadMode } from '../events/catalog/fields.js';
import type { ReadMode } from '../platform/access/granted.js';

export const grantStatuses = ['scheduled', 'active', 'expired', 'revoked'] as const;
export type GrantStatus = (typeof grantStatuses)[number];

/** What a practice lets a partner hear of and read, for what purpose, and until when. */
@Entity('grants')
export class Grant {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  practiceId: string;

  @Column('uuid')
  partnerId: string;

  /** Whether it is of a sandbox; test keys reach these, live keys the others. */
  @Column('boolean')
  sandbox: boolean;

  /** Names, `family.*` or `*`. */
  @Column('text', { array: true })
  eventTypes: string[];

  /** The most that is pushed; an endpoint may ask for less. */
  @Column('text')
  payloadMode: PayloadMode;

  /** The most that a fetch returns. */
  @Column('text')
  readMode: ReadMode;

  /** The contract that allows it, as the practice files it. */
  @Column('text', { nullable: true })
  agreementReference: string | null;

  @Column('text', { nullable: true })
  purpose: string | null;

  @Column('timestamptz')
  startsAt: Date;

  /** Null: until it is revoked. */
  @Column('timestamptz', { nullable: true })
  expiresAt: Date | null;

  @Column('timestamptz', { nullable: true })
  revokedAt: Date | null;

  @Column('int')
  version: number;

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz')
  updatedAt: Date;

  /** By the database's clock, as whoever decides about access has it. */
  @VirtualColumn({
    type: 'text',
    query: (grant) =>
      `case when ${grant}.revoked_at is not null then 'revoked'
            when ${grant}.expires_at <= clock_timestamp() then 'expired'
            when ${grant}.starts_at > clock_timestamp() then 'scheduled'
            else 'active' end`,
  })
  status: GrantStatus;
}

/** Whether it opens anything, now or later. */
export function isOpen({ status }: Grant): boolean {
  return status === 'active' || status === 'scheduled';
}
