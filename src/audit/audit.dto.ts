import { ApiProperty } from '@nestjs/swagger';
import { Instant, Text, Uuid } from '../platform/http/fields.js';
import { ListQuery, PageType } from '../platform/http/lists.js';
import type { AuditEntry } from './audit-entry.js';

export class AuditQuery extends ListQuery {
  @Text({ most: 200, optional: true, description: 'Only what this one did: `applications/{id}`.' })
  actor?: string;

  @Uuid({ optional: true, description: 'Only what concerns this practice.' })
  practiceId?: string;

  @Instant({ optional: true, description: 'Only from this time on.' })
  from?: string;

  @Instant({ optional: true, description: 'Only before this time.' })
  to?: string;
}

/** Its members are in alphabetical order: so written, without white space, it is what is hashed (docs/audit.md). */
export class AuditEntryResource implements AuditEntry {
  @ApiProperty({ example: 'patient.read', description: '`{resource}.{verb}`.' })
  action: string;

  @ApiProperty({ example: 'operator', description: 'Who; as events spell it.' })
  actor: string;

  @ApiProperty({ format: 'date-time' })
  at: string;

  @ApiProperty({ type: String, nullable: true, description: 'The request: `X-Request-Id`.' })
  correlationId: string | null;

  @ApiProperty({ type: [String], nullable: true, description: 'Of a batch of deliveries.' })
  deliveryIds: string[] | null;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'Ids, counts and names.',
  })
  detail: Record<string, unknown>;

  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ type: String, nullable: true, description: 'From where: the address.' })
  ip: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'With which key.' })
  keyId: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'The human, as the actor names them.' })
  onBehalfOf: string | null;

  @ApiProperty({ type: [String], nullable: true, description: 'Whom it tells of.' })
  patientIds: string[] | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  practiceId: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'patients/019a0f5e-7c00-7000-8000-000000000001',
  })
  subject: string | null;

  @ApiProperty({
    format: 'uuid',
    description: 'In whose chain it is: one run of a hub or command.',
  })
  writer: string;
}

export class AuditPage extends PageType(AuditEntryResource) {}
