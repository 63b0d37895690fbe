import { ApiProperty, OmitType } from '@nestjs/swagger';
import { Choices, Instant, OneOf, Text } from '../platform/http/fields.js';
import { ListQuery, PageType } from '../platform/http/lists.js';
import { keyModes, scopes, type KeyMode, type Scope } from '../platform/access/api-key.js';

export class NewApiKey {
  @Text({ example: 'production, rotated in spring' })
  name: string;

  @OneOf(keyModes, {
    optional: true,
    description:
      'Default live. A test key reaches only sandbox practices, a live key only the others.',
  })
  mode?: KeyMode;

  @Choices(scopes, {
    optional: true,
    description: 'Default both. `read` is for GET, `write` for everything else.',
  })
  scopes?: Scope[];

  @Instant({ optional: true, description: 'In the future. Absent: until it is revoked.' })
  expiresAt?: string;
}

export class ApiKeyListQuery extends ListQuery {}

export class ApiKeyResource extends OmitType(NewApiKey, ['expiresAt', 'mode', 'scopes']) {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ enum: [...keyModes] })
  mode: KeyMode;

  @ApiProperty({ enum: [...scopes], isArray: true })
  scopes: Scope[];

  @ApiProperty({ description: 'Its last four characters.' })
  ending: string;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt: Date;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expiresAt: Date | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  revokedAt: Date | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'To about half a minute.',
  })
  lastUsedAt: Date | null;
}

export class CreatedApiKey extends ApiKeyResource {
  @ApiProperty({ description: 'Shown this once.', example: 'hub_live_…' })
  key: string;
}

export class ApiKeyPage extends PageType(ApiKeyResource) {}
