import { ApiProperty } from '@nestjs/swagger';
import {
  Amount,
  Currency,
  Instant,
  LocalDate,
  Nested,
  NestedList,
  OneOf,
  Text,
  Uuid,
} from '../platform/http/fields.js';
import { ListQuery, PageType } from '../platform/http/lists.js';
import { ExternalId, mostExternalIds } from '../platform/external-ids.js';
import {
  payerTypes,
  paymentMethods,
  type PayerType,
  type PaymentMethod,
} from './ledger-entry.entity.js';
import { entryKinds, type EntryKind } from './ledger.rules.js';

class NewEntry {
  @Uuid({ optional: true, description: 'Whose account it goes to. Either this or accountId.' })
  patientId?: string;

  @Uuid({ optional: true })
  accountId?: string;

  @Amount({ description: 'Minor units.', example: 12500 })
  amount: number;

  @Currency({ description: "The account's." })
  currency: string;

  @LocalDate({
    optional: true,
    description: "The day it counts for. Default: today on the practice's calendar.",
  })
  postedOn?: string;

  @Text({ most: 1000, lines: true, optional: true })
  description?: string;

  @NestedList(() => ExternalId, { most: mostExternalIds, optional: true })
  externalIds?: ExternalId[];
}

export class NewCharge extends NewEntry {}

export class PayerInput {
  @OneOf(payerTypes)
  type: PayerType;

  @Text({ optional: true, example: 'Prairie Mutual Dental' })
  name?: string;
}

export class NewPayment extends NewEntry {
  @OneOf(paymentMethods)
  method: PaymentMethod;

  @Nested(() => PayerInput)
  payer: PayerInput;

  @Text({ most: 100, optional: true })
  claimId?: string;

  @Text({
    most: 100,
    optional: true,
    description: "Ties together what one insurer's payment covers on several accounts.",
  })
  remittanceId?: string;
}

export const adjustmentKinds = ['credit', 'debit'] as const;

export class NewAdjustment extends NewEntry {
  @OneOf(adjustmentKinds, { description: 'A credit lowers what is owed, a debit raises it.' })
  kind: (typeof adjustmentKinds)[number];

  @Text({ most: 500, lines: true })
  reason: string;
}

export class Refund {
  @Amount({ optional: true, description: 'Minor units. Default: all that is left.' })
  amount?: number;

  @Text({ most: 500, lines: true, optional: true })
  reason?: string;
}

export class Reversal {
  @Text({ most: 500, lines: true, optional: true })
  reason?: string;
}

/** Query of an account's entries of every kind; an external id names an entry only within its family. */
export class EntryListQuery extends ListQuery {
  @Instant({ optional: true, description: 'Only what was posted at or after this time.' })
  updatedSince?: string;
}

export class EntryResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  practiceId: string;

  @ApiProperty({ format: 'uuid' })
  accountId: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  patientId: string | null;

  @ApiProperty({ enum: entryKinds })
  kind: EntryKind;

  @ApiProperty({ type: 'integer', description: 'Minor units, positive.' })
  amount: number;

  @ApiProperty({ example: 'USD' })
  currency: string;

  @ApiProperty({
    type: 'integer',
    description:
      "The account's balance with this entry, in the order in which entries were made; positive is owed.",
  })
  balanceAfter: number;

  @ApiProperty({ format: 'date' })
  postedOn: string;

  @ApiProperty({ format: 'date-time' })
  postedAt: string;

  @ApiProperty({ enum: paymentMethods, nullable: true })
  method: PaymentMethod | null;

  @ApiProperty({ type: PayerInput, nullable: true })
  payer: PayerInput | null;

  @ApiProperty({ type: String, nullable: true })
  claimId: string | null;

  @ApiProperty({ type: String, nullable: true })
  remittanceId: string | null;

  @ApiProperty({ type: String, nullable: true })
  reason: string | null;

  @ApiProperty({ type: String, nullable: true })
  description: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The payment that this refund or reversal undoes.',
  })
  reversesEntryId: string | null;

  @ApiProperty({ type: [ExternalId] })
  externalIds: ExternalId[];

  @ApiProperty({ enum: [1], description: 'An entry never changes.' })
  version: number;
}

export class EntryPage extends PageType(EntryResource) {}
