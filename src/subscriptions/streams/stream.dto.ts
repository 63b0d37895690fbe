import { ApiProperty } from '@nestjs/swagger';
import { Int, Text } from '../../platform/http/fields.js';

/** How many numbers one manifest covers: half a second of reading. */
export const mostInManifest = 100_000;

export class StreamQuery {
  @Text({
    most: 16,
    optional: true,
    pattern: {
      is: /^\d{1,15}$/,
      must: 'be a sequence number, such as the nextCursor of the page before, or 0',
    },
    description: 'A sequence number, or the nextCursor of the page before; absent: from the first.',
  })
  after?: string;

  @Int({
    least: 1,
    most: 1000,
    query: true,
    optional: true,
    description: 'Page size, default 100. A page of large events may be shorter.',
  })
  limit?: number;
}

export class StreamEntry {
  @ApiProperty({ description: "The number in the endpoint's stream: from 1, without gaps." })
  sequence: number;

  @ApiProperty({
    required: false,
    type: Object,
    description: 'The CloudEvent, as the webhook of this number has it.',
  })
  event?: object;

  @ApiProperty({
    required: false,
    description:
      'Why there is none: expired (it has passed retention), revoked, erased, unreadable.',
  })
  withheld?: string;
}

export class StreamPage {
  @ApiProperty({ type: [StreamEntry], description: 'Ascending, without gaps.' })
  data: StreamEntry[];

  @ApiProperty({ description: 'Always given: the last number shown. Go on from here.' })
  nextCursor: string;
}

const mostSequence = 999_999_999_999_999;

export class ManifestQuery {
  @Int({ least: 1, most: mostSequence, query: true, optional: true, description: 'Default 1.' })
  fromSequence?: number;

  @Int({
    least: 0,
    most: mostSequence,
    query: true,
    optional: true,
    description: `Inclusive; default: the newest number. At most ${mostInManifest} numbers at once.`,
  })
  toSequence?: number;
}

export class Manifest {
  @ApiProperty()
  fromSequence: number;

  @ApiProperty({ description: 'Inclusive; one below fromSequence where the stretch is empty.' })
  toSequence: number;

  @ApiProperty({ description: 'How many numbers, withheld ones included.' })
  count: number;

  @ApiProperty({
    description:
      'SHA-256, hexadecimal, over a line for each number, ascending: "<sequence> <event id>", or "<sequence> -" where withheld, each ended by a line feed. See docs/manifest.md.',
    example: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  })
  hash: string;
}
