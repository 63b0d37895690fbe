import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ReminderRule } from './reminder-rule.js';

export const practiceKinds = ['dental', 'veterinary', 'medical'] as const;
export type PracticeKind = (typeof practiceKinds)[number];

/** One location: where appointments take place and whose clock counts. */
@Entity('practices')
export class Practice {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  name: string;

  @Column('text')
  kind: PracticeKind;

  /** IANA name; the clock of the practice. */
  @Column('text')
  timeZone: string;

  @Column('char')
  currency: string;

  @Column('boolean')
  sandbox: boolean;

  /** Whether each of its grants needs an agreement, a purpose and an end. */
  @Column('boolean')
  requiresAgreements: boolean;

  @Column('jsonb')
  externalIds: { system: string; value: string }[];

  @Column('jsonb')
  reminderRules: ReminderRule[];

  @Column('int')
  version: number;

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz')
  updatedAt: Date;
}
