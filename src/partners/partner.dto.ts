import { ApiProperty, PartialType } from '@nestjs/swagger';
import { Text } from '../platform/http/fields.js';
import { ListQuery, PageType } from '../platform/http/lists.js';

export class NewPartner {
  @Text({ example: 'Prairie Recalls' })
  name: string;
}

export class PartnerChange extends PartialType(NewPartner, { skipNullProperties: false }) {}

export class PartnerListQuery extends ListQuery {}

export class PartnerResource extends NewPartner {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty()
  version: number;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  updatedAt: Date;
}

export class PartnerPage extends PageType(PartnerResource) {}
