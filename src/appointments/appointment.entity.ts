import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ExternalId } from '../platform/external-ids.js';
import type { AppointmentStatus, Confirmation } from './appointment.rules.js';

export interface VisitType {
  code?: string;
  name: string;
}

export interface Provider {
  id?: string;
  name: string;
  role?: string;
}

/** The room or chair. */
export interface Operatory {
  id?: string;
  name: string;
}

export const parties = ['patient', 'practice'] as const;
export type Party = (typeof parties)[number];

@Entity('appointments')
export class Appointment {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  practiceId: string;

  @Column('uuid')
  patientId: string;

  @Column('timestamptz', { name: 'start_at' })
  start: Date;

  @Column('timestamptz', { name: 'end_at' })
  end: Date;

  /** The practice's zone when the times were last set. */
  @Column('text')
  timeZone: string;

  /** What the wall clock shows at the start; kept when the practice's zone changes. */
  @Column('text')
  localStart: string;

  @Column('jsonb', { nullable: true })
  type: VisitType | null;

  @Column('jsonb')
  providers: Provider[];

  @Column('jsonb', { nullable: true })
  operatory: Operatory | null;

  @Column('text', { nullable: true })
  note: string | null;

  @Column('jsonb')
  externalIds: ExternalId[];

  @Column('text')
  status: AppointmentStatus;

  /** What reopening goes back to, latest last. */
  @Column('text', { array: true })
  earlierStatuses: AppointmentStatus[];

  @Column('text')
  confirmation: Confirmation;

  /** Rises with every move; reminders and confirmations belong to one sequence. */
  @Column('int')
  sequence: number;

  @Column('timestamptz', { nullable: true })
  seatedAt: Date | null;

  @Column('text', { nullable: true })
  cancelledBy: Party | null;

  @Column('text', { nullable: true })
  cancelReason: string | null;

  @Column('int')
  version: number;

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz')
  updatedAt: Date;

  @Column('timestamptz', { nullable: true })
  deletedAt: Date | null;
}

/** What the API shows of an appointment; of a tombstone, ids only. */
export function appointmentResource(appointment: Appointment): object {
  const { deletedAt, earlierStatuses: _, ...resource } = appointment;
  if (!deletedAt) return resource;
  const { id, practiceId, patientId, status, version, updatedAt } = resource;
  return { id, deleted: true, practiceId, patientId, status, version, updatedAt };
}
