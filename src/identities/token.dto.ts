import { ApiProperty } from '@nestjs/swagger';
import { scopes, type Scope } from '../platform/access/api-key.js';
import { Choices, Int, TextList } from '../platform/http/fields.js';

export const defaultTokenSeconds = 300;
const mostTokenSeconds = 3600;

export class NewToken {
  @Choices(scopes, { optional: true, description: 'Of those of the key. Default: all of them.' })
  scopes?: Scope[];

  @TextList({
    uuid: true,
    optional: true,
    least: 1,
    most: 200,
    description:
      'Of the practices that the key reaches. Default: all of them. A token of fewer is for routes of a practice, the list of practices and the feed.',
  })
  practiceIds?: string[];

  @Int({ least: 1, most: mostTokenSeconds, optional: true, description: 'Default 300.' })
  expiresInSeconds?: number;
}

export class CreatedToken {
  @ApiProperty({
    description: 'Send it as a key is sent; shown this once.',
    example: 'hub_token_…',
  })
  token: string;

  @ApiProperty({ type: String, format: 'date-time' })
  expiresAt: Date;
}
