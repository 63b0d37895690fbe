import { ApiProperty, PartialType } from '@nestjs/swagger';
import { ListQuery, PageType } from '../platform/http/lists.js';
import { Text, TextList } from '../platform/http/fields.js';

const mostPractices = 1000;

export class NewApplication {
  @Text({ example: 'Chairside' })
  name: string;

  @TextList({
    uuid: true,
    most: mostPractices,
    description:
      'The practices it reads and writes: with live keys those that are no sandboxes, with test keys the sandboxes.',
  })
  practiceIds: string[];
}

/** Practices that are left out are out of its reach at once, also of what waits to be delivered to it. */
export class ApplicationChange extends PartialType(NewApplication, { skipNullProperties: false }) {}

export class ApplicationListQuery extends ListQuery {}

export class ApplicationResource extends NewApplication {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty()
  version: number;

  @ApiProperty({ type: String, format: 'date-time' })
  createdAt: Date;

  @ApiProperty({ type: String, format: 'date-time' })
  updatedAt: Date;
}

export class ApplicationPage extends PageType(ApplicationResource) {}
