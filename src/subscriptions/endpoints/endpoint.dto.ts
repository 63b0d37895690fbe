import { ApiProperty, ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { payloadModes, type PayloadMode } from '../../events/catalog/fields.js';
import { Flag, OneOf, Text, TextList } from '../../platform/http/fields.js';
import { DeletableListQuery, PageType } from '../../platform/http/lists.js';
import { SigningKeyResource } from './endpoint-secrets.dto.js';
import { EndpointSettings, EndpointSettingsResource } from './endpoint-settings.dto.js';
import { ownerships, type Ownership } from './ownership.rules.js';

export class NewEndpoint extends EndpointSettings {
  @Text({
    most: 2048,
    description:
      'Where webhooks are POSTed to. https, and a public address; http and private addresses only within HUB_ALLOW_NETWORKS (a name in an http URL is looked up when it is saved, and accepted where it does not resolve yet; each connection is checked). No user name or password in it.',
    example: 'https://partner.example.com/hooks/practice',
  })
  url: string;

  @TextList({
    least: 1,
    most: 100,
    description: 'Names of GET /v1/event-types, `family.*` or `*`.',
    example: ['appointment.*', 'payment.posted'],
  })
  eventTypes: string[];

  @TextList({
    least: 1,
    most: 1000,
    uuid: true,
    optional: true,
    nullable: true,
    description:
      'Only these practices; absent or null: all its owner may see. Events of no practice (`endpoint.*`) come all the same.',
  })
  practiceIds?: string[] | null;

  @OneOf(payloadModes, {
    optional: true,
    description:
      'thin: ids and links; minimum: no field that identifies a person; full: everything. Default: full; for a partner the widest that is granted, of which an endpoint may only take less.',
  })
  payloadMode?: PayloadMode;

  @Flag({
    optional: true,
    description:
      'A disabled endpoint is not for new events, and what is open for it waits until it is enabled. Default: true.',
  })
  enabled?: boolean;

  @Text({ most: 500, lines: true, optional: true, nullable: true })
  description?: string | null;

  @Flag({
    optional: true,
    description:
      'Whether the receiver has to prove that it wants the webhooks: the endpoint stays disabled until POST …/verify has succeeded, and has to prove itself again when its URL changes. Default: false.',
  })
  ownershipChallenge?: boolean;
}

/** Null clears only what may be null; PartialType's default would let it through everywhere. */
export class EndpointChange extends PartialType(OmitType(NewEndpoint, ['ownershipChallenge']), {
  skipNullProperties: false,
}) {}

export class EndpointListQuery extends OmitType(DeletableListQuery, ['externalId']) {}

export class EndpointResource extends EndpointSettingsResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'operator' })
  owner: string;

  @ApiProperty({
    type: String,
    format: 'uri',
    nullable: true,
    description:
      'Null where the hub cannot open what it keeps of the address and the headers: nothing is sent until both are given anew.',
  })
  url: string | null;

  @ApiProperty({ type: [String] })
  eventTypes: string[];

  @ApiProperty({ type: [String], nullable: true })
  practiceIds: string[] | null;

  @ApiProperty({ enum: payloadModes })
  payloadMode: PayloadMode;

  @ApiProperty()
  enabled: boolean;

  @ApiProperty({ type: String, nullable: true })
  description: string | null;

  @ApiProperty({
    enum: ['active', 'failing', 'disabled'],
    description:
      'failing: its deliveries fail, so all but one wait, which tries again from time to time; enabling it lets all of them try at once.',
  })
  status: 'active' | 'failing' | 'disabled';

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description:
      'Nothing is sent before then, also what was replayed: its receiver asked for time (Retry-After), or it fails and is tried again then. What is resent is that try at once, unless the receiver asked for time. `{"enabled": true}` lets everything go at once.',
  })
  pausedUntil: Date | null;

  @ApiProperty({ type: String, nullable: true, description: 'Why the hub disabled it.' })
  disabledReason: string | null;

  @ApiProperty({
    enum: ownerships,
    description:
      'unproven: the receiver has not answered the challenge for this URL yet (POST …/verify). assumed: no proof was asked for.',
  })
  ownership: Ownership;

  @ApiProperty({ description: 'The number of its newest delivery; 0 before the first.' })
  lastSequence: number;

  @ApiProperty({ description: 'Deliveries still open: pending or failed. Counted up to 10000.' })
  pending: number;

  @ApiProperty({
    type: [SigningKeyResource],
    description: 'What webhooks are signed with at this moment, the current key first.',
  })
  signingKeys: SigningKeyResource[];

  @ApiProperty()
  version: number;

  @ApiProperty({ format: 'date-time' })
  createdAt: Date;

  @ApiProperty({ format: 'date-time' })
  updatedAt: Date;

  @ApiPropertyOptional({ format: 'date-time', description: 'On tombstones only.' })
  deletedAt?: Date;
}

export class CreatedEndpoint extends EndpointResource {
  @ApiPropertyOptional({
    description:
      'What webhooks are signed with (Standard Webhooks). Only in this answer: no other shows it, nor does the repetition of this request under its Idempotency-Key.',
    example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  })
  secret?: string;
}

export class RotatedEndpoint extends CreatedEndpoint {
  @ApiPropertyOptional({ description: 'The new public key, where the new key is an ed25519 one.' })
  publicKey?: string;
}

export class EndpointPage extends PageType(EndpointResource) {}
