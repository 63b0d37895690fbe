import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { ArrayUnique, IsIn, ValidateIf } from 'class-validator';
import { ExternalId, mostExternalIds } from '../platform/external-ids.js';
import { Instant, Int, Nested, NestedList, OneOf, Text, Uuid } from '../platform/http/fields.js';
import { DeletableListQuery } from '../platform/http/lists.js';
import { parties, type Party } from './appointment.entity.js';
import {
  confirmations,
  statuses,
  type AppointmentStatus,
  type Confirmation,
} from './appointment.rules.js';

export class VisitTypeBody {
  @Text({ most: 50, optional: true, example: 'D1110' })
  code?: string;

  @Text({ example: 'Adult prophylaxis' })
  name: string;
}

export class ProviderBody {
  @Text({ most: 100, optional: true })
  id?: string;

  @Text({ example: 'Ruth Okafor' })
  name: string;

  @Text({ most: 100, optional: true, example: 'hygienist' })
  role?: string;
}

export class OperatoryBody {
  @Text({ most: 100, optional: true })
  id?: string;

  @Text({ example: 'Operatory 3' })
  name: string;
}

const mostProviders = 20;
const mostNote = 2000;
const mostReason = 500;

export class NewAppointment {
  @Uuid()
  patientId: string;

  @Instant({ example: '2026-03-09T09:30:00-05:00' })
  start: string;

  @Instant({ example: '2026-03-09T10:00:00-05:00', description: 'At most 7 days after the start.' })
  end: string;

  @Nested(() => VisitTypeBody, { optional: true })
  type?: VisitTypeBody;

  @NestedList(() => ProviderBody, { most: mostProviders, optional: true })
  providers?: ProviderBody[];

  @Nested(() => OperatoryBody, { optional: true, description: 'The room or chair.' })
  operatory?: OperatoryBody;

  @Text({ most: mostNote, lines: true, optional: true })
  note?: string;

  @NestedList(() => ExternalId, { most: mostExternalIds, optional: true })
  externalIds?: ExternalId[];

  @OneOf(statuses.filter((status) => status !== 'entered-in-error'), {
    optional: true,
    description:
      'Default booked; proposed for a request. Any other only for an appointment that is over.',
  })
  status?: AppointmentStatus;

  @Instant({
    optional: true,
    description: "When it was booked or ended, for what is entered later: the event's time.",
  })
  occurredAt?: string;
}

/** The time is moved with the action reschedule, the status with the other actions. */
export class AppointmentChange {
  @Nested(() => VisitTypeBody, { optional: true, nullable: true })
  type?: VisitTypeBody | null;

  @NestedList(() => ProviderBody, { most: mostProviders, optional: true })
  providers?: ProviderBody[];

  @Nested(() => OperatoryBody, { optional: true, nullable: true })
  operatory?: OperatoryBody | null;

  @Text({ most: mostNote, lines: true, optional: true, nullable: true })
  note?: string | null;

  @NestedList(() => ExternalId, { most: mostExternalIds, optional: true })
  externalIds?: ExternalId[];
}

export class Rescheduling {
  @Instant()
  start: string;

  @Instant()
  end: string;

  @Text({ most: mostReason, lines: true, optional: true })
  reason?: string;

  @OneOf(parties, { optional: true })
  initiatedBy?: Party;
}

export class Confirming {
  @Int({
    least: 0,
    most: 2_147_483_647,
    optional: true,
    description:
      'The sequence the patient was told of: 409 moved_meanwhile when it is another now.',
  })
  sequence?: number;
}

export class Cancelling {
  @Text({ most: mostReason, lines: true, optional: true })
  reason?: string;

  @OneOf(parties, { optional: true })
  cancelledBy?: Party;
}

export class AppointmentListQuery extends DeletableListQuery {
  @Instant({ optional: true, description: 'Only what starts at or after this time.' })
  from?: string;

  @Instant({ optional: true, description: 'Only what starts before this time.' })
  to?: string;

  @Uuid({ optional: true })
  patientId?: string;

  @Transform(({ value }) => (typeof value === 'string' ? value.split(',') : value))
  @ValidateIf((_, value) => value !== undefined)
  @ArrayUnique()
  @IsIn(statuses, { each: true })
  @ApiProperty({
    required: false,
    type: String,
    example: 'booked,arrived',
    description: 'One or more statuses, comma-separated.',
  })
  status?: AppointmentStatus[];
}

export class AppointmentResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  practiceId: string;

  @ApiProperty({ format: 'uuid' })
  patientId: string;

  @ApiProperty({ format: 'date-time' })
  start: string;

  @ApiProperty({ format: 'date-time' })
  end: string;

  @ApiProperty({ example: 'America/Chicago' })
  timeZone: string;

  @ApiProperty({
    example: '2026-03-09T09:30:00',
    description: "The start on the practice's wall clock; a change of its zone keeps it.",
  })
  localStart: string;

  @ApiProperty({ type: VisitTypeBody, nullable: true })
  type: VisitTypeBody | null;

  @ApiProperty({ type: [ProviderBody] })
  providers: ProviderBody[];

  @ApiProperty({ type: OperatoryBody, nullable: true })
  operatory: OperatoryBody | null;

  @ApiProperty({ type: String, nullable: true })
  note: string | null;

  @ApiProperty({ type: [ExternalId] })
  externalIds: ExternalId[];

  @ApiProperty({
    enum: statuses,
    description: 'FHIR R4 names. Accept names that you do not know.',
  })
  status: AppointmentStatus;

  @ApiProperty({ enum: confirmations })
  confirmation: Confirmation;

  @ApiProperty({ description: 'Rises with every move.' })
  sequence: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  seatedAt: string | null;

  @ApiProperty({ type: String, enum: parties, nullable: true })
  cancelledBy: Party | null;

  @ApiProperty({ type: String, nullable: true })
  cancelReason: string | null;

  @ApiProperty()
  version: number;

  @ApiProperty({ format: 'date-time' })
  createdAt: string;

  @ApiProperty({ format: 'date-time' })
  updatedAt: string;
}

/** What is left of an appointment that was entered in error. */
export class AppointmentTombstone {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ enum: [true] })
  deleted: true;

  @ApiProperty({ format: 'uuid' })
  practiceId: string;

  @ApiProperty({ format: 'uuid' })
  patientId: string;

  @ApiProperty({ enum: ['entered-in-error'] })
  status: 'entered-in-error';

  @ApiProperty()
  version: number;

  @ApiProperty({ format: 'date-time' })
  updatedAt: string;
}

@ApiExtraModels(AppointmentResource, AppointmentTombstone)
export class AppointmentPage {
  @ApiProperty({
    type: 'array',
    items: {
      oneOf: [
        { $ref: getSchemaPath(AppointmentResource) },
        { $ref: getSchemaPath(AppointmentTombstone) },
      ],
    },
    description: 'Tombstones with includeDeleted only.',
  })
  data: (AppointmentResource | AppointmentTombstone)[];

  @ApiProperty({ type: String, nullable: true })
  nextCursor: string | null;
}
