import { Column, Entity, PrimaryColumn } from 'typeorm';
import { ExternalId } from '../platform/external-ids.js';

export const patientKinds = ['human', 'animal'] as const;
export type PatientKind = (typeof patientKinds)[number];

export const patientStatuses = ['active', 'inactive', 'deceased'] as const;
export type PatientStatus = (typeof patientStatuses)[number];

/** Who is treated. */
@Entity('patients')
export class Patient {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  practiceId: string;

  @Column('uuid')
  accountId: string;

  @Column('text')
  kind: PatientKind;

  @Column('text')
  status: PatientStatus;

  /** Empty on a tombstone. */
  @Column('text')
  givenName: string;

  @Column('text', { nullable: true })
  familyName: string | null;

  /** `YYYY-MM-DD` */
  @Column('date', { nullable: true })
  birthDate: string | null;

  @Column('text', { nullable: true })
  email: string | null;

  @Column('text', { nullable: true })
  phone: string | null;

  /** Animals only, and every animal has one. */
  @Column('text', { nullable: true })
  species: string | null;

  @Column('text', { nullable: true })
  breed: string | null;

  @Column('jsonb')
  externalIds: ExternalId[];

  /** Partners hear nothing of them. A deleted one stays so. */
  @Column('boolean')
  restricted: boolean;

  @Column('int')
  version: number;

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz')
  updatedAt: Date;

  @Column('timestamptz', { nullable: true })
  deletedAt: Date | null;
}

/** What the API shows of a patient; of a tombstone, ids only. */
export function patientResource({ deletedAt, ...patient }: Patient): object {
  if (!deletedAt) return patient;
  const { id, practiceId, accountId, version, updatedAt } = patient;
  return { id, deleted: true, practiceId, accountId, version, updatedAt };
}
