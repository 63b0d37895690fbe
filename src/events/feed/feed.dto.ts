import { ApiProperty } from '@nestjs/swagger';
import { Int, Text } from '../../platform/http/fields.js';

export class FeedQuery {
  @Text({
    most: 64,
    optional: true,
    description: 'nextCursor or Hub-Position; absent: the oldest.',
  })
  after?: string;

  @Text({
    most: 4000,
    optional: true,
    description: 'Comma-separated; appointment.* matches a family.',
  })
  eventTypes?: string;

  @Text({ most: 8000, optional: true, description: 'Comma-separated.' })
  practiceIds?: string;

  @Int({ least: 1, most: 200, query: true, optional: true, description: 'Page size, default 50.' })
  limit?: number;

  @Int({
    least: 0,
    most: 30,
    query: true,
    optional: true,
    description: 'Seconds to wait for an event where there is none yet. Default 0.',
  })
  wait?: number;
}

export class FeedPage {
  @ApiProperty({
    type: 'array',
    items: { type: 'object' },
    description: 'CloudEvents, in log order.',
  })
  data: object[];

  @ApiProperty({ description: 'Always given: go on from here.' })
  nextCursor: string;
}
