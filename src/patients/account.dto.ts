import { ApiProperty } from '@nestjs/swagger';
import { Email, Nested, NestedList, Text, Uuid } from '../platform/http/fields.js';
import { PageType } from '../platform/http/lists.js';
import { ExternalId, mostExternalIds } from '../platform/external-ids.js';

export class AccountHolder {
  @Text({ example: 'Ada' })
  givenName: string;

  @Text({ optional: true, example: 'Byrne' })
  familyName?: string;

  @Email({ optional: true })
  email?: string;

  @Text({ most: 50, optional: true })
  phone?: string;
}

export class NewAccount {
  @Nested(() => AccountHolder, { description: 'Who pays, and for an animal who owns it.' })
  holder: AccountHolder;

  @Uuid({ optional: true, description: 'A patient of the practice who answers for the account.' })
  guarantorPatientId?: string;

  @NestedList(() => ExternalId, { most: mostExternalIds, optional: true })
  externalIds?: ExternalId[];
}

export class AccountChange {
  @Nested(() => AccountHolder, { optional: true, description: 'Takes the place of the former.' })
  holder?: AccountHolder;

  @Uuid({ optional: true, nullable: true, description: 'null: nobody.' })
  guarantorPatientId?: string | null;
}

export class AccountResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  practiceId: string;

  @ApiProperty({ type: AccountHolder })
  holder: AccountHolder;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  guarantorPatientId: string | null;

  @ApiProperty({ example: 'USD' })
  currency: string;

  @ApiProperty({ type: 'integer', description: 'Minor units; positive is owed to the practice.' })
  balance: number;

  @ApiProperty({ type: [ExternalId] })
  externalIds: ExternalId[];

  @ApiProperty({ description: 'Rises with every change, each ledger entry included.' })
  version: number;

  @ApiProperty({ format: 'date-time' })
  createdAt: string;

  @ApiProperty({ format: 'date-time' })
  updatedAt: string;
}

export class AccountPage extends PageType(AccountResource) {}
