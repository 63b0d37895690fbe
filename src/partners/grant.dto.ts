import { ApiProperty } from '@nestjs/swagger';
import { payloadModes, type PayloadMode } from '../events/catalog/fields.js';
import { readModes, type ReadMode } from '../platform/access/granted.js';
import { Instant, OneOf, Text, TextList, Uuid } from '../platform/http/fields.js';
import { ListQuery, PageType } from '../platform/http/lists.js';
import { grantStatuses, type GrantStatus } from './grant.entity.js';

const mostTypes = 100;
const agreement = {
  most: 200,
  optional: true,
  description: 'The contract that allows it, as the practice files it. Required with agreements.',
};
const purpose = {
  most: 500,
  optional: true,
  description: 'What the partner may use it for. Required with agreements.',
};

export class NewGrant {
  @Uuid()
  partnerId: string;

  @TextList({
    least: 1,
    most: mostTypes,
    description: 'Names of GET /v1/event-types, `family.*` or `*`.',
    example: ['payment.*'],
  })
  eventTypes: string[];

  @OneOf(payloadModes, { description: 'The most that is pushed; an endpoint may ask for less.' })
  payloadMode: PayloadMode;

  @OneOf(readModes, {
    description: 'The most that a fetch of what the events are about returns; none: nothing.',
  })
  readMode: ReadMode;

  @Text({ ...agreement, example: 'BAA-2026-117' })
  agreementReference?: string;

  @Text({ ...purpose, example: 'Reconciliation of card payments' })
  purpose?: string;

  @Instant({ optional: true, description: 'Default: at once.' })
  startsAt?: string;

  @Instant({
    optional: true,
    description: 'Required with agreements. Absent: until it is revoked.',
  })
  expiresAt?: string;
}

/** Whom and from when on it is granted stays: that is another grant. */
export class GrantChange {
  @TextList({ least: 1, most: mostTypes, optional: true })
  eventTypes?: string[];

  @OneOf(payloadModes, { optional: true })
  payloadMode?: PayloadMode;

  @OneOf(readModes, { optional: true })
  readMode?: ReadMode;

  @Text({ ...agreement, nullable: true })
  agreementReference?: string | null;

  @Text({ ...purpose, nullable: true })
  purpose?: string | null;

  @Instant({ optional: true, nullable: true, description: 'null: until it is revoked.' })
  expiresAt?: string | null;
}

export class GrantListQuery extends ListQuery {
  @Instant({ optional: true, description: 'Only what was changed at or after this time.' })
  updatedSince?: string;
}

export class PracticeGrantListQuery extends GrantListQuery {
  @Uuid({ optional: true })
  partnerId?: string;
}

export class GrantResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  practiceId: string;

  @ApiProperty({ format: 'uuid' })
  partnerId: string;

  @ApiProperty({ type: [String] })
  eventTypes: string[];

  @ApiProperty({ enum: [...payloadModes] })
  payloadMode: PayloadMode;

  @ApiProperty({ enum: [...readModes] })
  readMode: ReadMode;

  @ApiProperty({ type: String, nullable: true })
  agreementReference: string | null;

  @ApiProperty({ type: String, nullable: true })
  purpose: string | null;

  @ApiProperty({ type: String, format: 'date-time' })
  startsAt: Date;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expiresAt: Date | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  revokedAt: Date | null;

  @ApiProperty({ enum: [...grantStatuses], description: 'At the moment of this answer.' })
  status: GrantStatus;

  @ApiProperty()
  version: number;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  updatedAt: Date;
}

export class GrantPage extends PageType(GrantResource) {}
