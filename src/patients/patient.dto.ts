import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import {
  Email,
  Flag,
  LocalDate,
  Nested,
  NestedList,
  OneOf,
  Text,
  Uuid,
} from '../platform/http/fields.js';
import { ExternalId, mostExternalIds } from '../platform/external-ids.js';
import { AccountHolder } from './account.dto.js';
import {
  patientKinds,
  patientStatuses,
  type PatientKind,
  type PatientStatus,
} from './patient.entity.js';

const restrictedHelp =
  'The patient asked that partners hear nothing of them: no event, nothing that waits already, no replay. Partners are not told of this either. Default: false.';

export class NewPatient {
  @OneOf(patientKinds)
  kind: PatientKind;

  @Text({ example: 'Ada' })
  givenName: string;

  @Text({ optional: true, example: 'Byrne' })
  familyName?: string;

  @LocalDate({ optional: true })
  birthDate?: string;

  @Email({ optional: true })
  email?: string;

  @Text({ most: 50, optional: true })
  phone?: string;

  @Text({ most: 100, optional: true, example: 'dog', description: 'Every animal needs one.' })
  species?: string;

  @Text({ most: 100, optional: true, description: 'Animals only.' })
  breed?: string;

  @NestedList(() => ExternalId, { most: mostExternalIds, optional: true })
  externalIds?: ExternalId[];

  @Uuid({ optional: true, description: 'An account of the practice that is there already.' })
  accountId?: string;

  @Nested(() => AccountHolder, {
    optional: true,
    description:
      "Opens an account for this holder. Without owner and accountId one is opened in the patient's own name.",
  })
  owner?: AccountHolder;

  @Flag({ optional: true, description: restrictedHelp })
  restricted?: boolean;
}

/** A patient's kind stays: a human does not become an animal. */
export class PatientChange {
  @Text({ optional: true })
  givenName?: string;

  @Text({ optional: true, nullable: true })
  familyName?: string | null;

  @LocalDate({ optional: true, nullable: true })
  birthDate?: string | null;

  @Email({ optional: true, nullable: true })
  email?: string | null;

  @Text({ most: 50, optional: true, nullable: true })
  phone?: string | null;

  @Text({ most: 100, optional: true })
  species?: string;

  @Text({ most: 100, optional: true, nullable: true })
  breed?: string | null;

  @NestedList(() => ExternalId, { most: mostExternalIds, optional: true })
  externalIds?: ExternalId[];

  @Uuid({
    optional: true,
    description: 'Another account of the practice; entries made so far stay where they are.',
  })
  accountId?: string;

  @OneOf(patientStatuses, { optional: true })
  status?: PatientStatus;

  @Flag({ optional: true, description: restrictedHelp })
  restricted?: boolean;
}

export class PatientResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  practiceId: string;

  @ApiProperty({ format: 'uuid' })
  accountId: string;

  @ApiProperty({ enum: patientKinds })
  kind: PatientKind;

  @ApiProperty({ enum: patientStatuses })
  status: PatientStatus;

  @ApiProperty()
  givenName: string;

  @ApiProperty({ type: String, nullable: true })
  familyName: string | null;

  @ApiProperty({ type: String, format: 'date', nullable: true })
  birthDate: string | null;

  @ApiProperty({ type: String, nullable: true })
  email: string | null;

  @ApiProperty({ type: String, nullable: true })
  phone: string | null;

  @ApiProperty({ type: String, nullable: true })
  species: string | null;

  @ApiProperty({ type: String, nullable: true })
  breed: string | null;

  @ApiProperty({ type: [ExternalId] })
  externalIds: ExternalId[];

  @ApiProperty({ description: restrictedHelp })
  restricted: boolean;

  @ApiProperty()
  version: number;

  @ApiProperty({ format: 'date-time' })
  createdAt: string;

  @ApiProperty({ format: 'date-time' })
  updatedAt: string;
}

/** What is left of a deleted patient: ids only. */
export class PatientTombstone {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ enum: [true] })
  deleted: true;

  @ApiProperty({ format: 'uuid' })
  practiceId: string;

  @ApiProperty({ format: 'uuid' })
  accountId: string;

  @ApiProperty()
  version: number;

  @ApiProperty({ format: 'date-time' })
  updatedAt: string;
}

@ApiExtraModels(PatientResource, PatientTombstone)
export class PatientPage {
  @ApiProperty({
    type: 'array',
    items: {
      oneOf: [{ $ref: getSchemaPath(PatientResource) }, { $ref: getSchemaPath(PatientTombstone) }],
    },
    description: 'Tombstones with includeDeleted only.',
  })
  data: (PatientResource | PatientTombstone)[];

  @ApiProperty({ type: String, nullable: true })
  nextCursor: string | null;
}
