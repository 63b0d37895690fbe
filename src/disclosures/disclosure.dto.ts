import { ApiProperty } from '@nestjs/swagger';
import { payloadModes, type PayloadMode } from '../events/catalog/fields.js';
import { Instant } from '../platform/http/fields.js';
import { ListQuery, PageType } from '../platform/http/lists.js';

export const disclosureWays = ['webhook', 'fetch', 'feed'] as const;
export type DisclosureWay = (typeof disclosureWays)[number];

export class DisclosureListQuery extends ListQuery {
  @Instant({ optional: true, description: 'Only what was disclosed at or after this time.' })
  from?: string;

  @Instant({ optional: true, description: 'Only what was disclosed before this time.' })
  to?: string;
}

export class Recipient {
  @ApiProperty({ enum: ['partner'] })
  kind: 'partner';

  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ type: String, nullable: true })
  name: string | null;
}

/** One disclosure (45 CFR 164.528(b)(2)): when, to whom, of what, and why. */
export class DisclosureResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'date-time', description: 'When it was sent or shown.' })
  at: Date;

  @ApiProperty()
  recipient: Recipient;

  @ApiProperty({ enum: disclosureWays })
  how: DisclosureWay;

  @ApiProperty({
    description:
      'False for a webhook that was sent and not acknowledged: nobody knows whether it was read.',
  })
  confirmed: boolean;

  @ApiProperty({
    description: 'The type of the event, or the kind of resource.',
    example: 'payment.posted',
  })
  what: string;

  @ApiProperty({ enum: payloadModes, description: 'How much of it was shown.' })
  mode: PayloadMode;

  @ApiProperty({ type: String, nullable: true, description: 'As the grant had it at that time.' })
  purpose: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  grantId: string | null;

  @ApiProperty({ type: String, nullable: true })
  agreementReference: string | null;

  @ApiProperty({ format: 'uuid', required: false })
  eventId?: string;

  @ApiProperty({ format: 'uuid', required: false })
  endpointId?: string;

  @ApiProperty({ format: 'uuid', required: false })
  deliveryId?: string;

  @ApiProperty({ format: 'uuid', required: false })
  accountId?: string;

  @ApiProperty({ required: false, description: 'Of the request that fetched it.' })
  correlationId?: string;

  @ApiProperty({
    required: false,
    description: 'The human for whom the partner asked, as it said.',
  })
  onBehalfOf?: string;
}

export class DisclosurePage extends PageType(DisclosureResource) {}
