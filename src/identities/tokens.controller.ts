import { Body, Controller, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  AnyScope,
  NeedsKey,
  OpenToApplications,
  OpenToPartners,
} from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { CreatedToken, NewToken } from './token.dto.js';
import { Tokens } from './tokens.service.js';

/** For whoever has a key. A token mints none: it would be a way to stay. */
@ApiTags('tokens')
@Controller('v1/tokens')
@OpenToApplications()
@OpenToPartners()
export class TokensController {
  constructor(
    private readonly tokens: Tokens,
    private readonly commands: Commands,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Make a short-lived token from the key' })
  @NeedsKey()
  @AnyScope()
  @ApiCreatedResponse({
    type: CreatedToken,
    description:
      'Good until `expiresAt`, or until its key opens nothing any more. Shown this once; a repetition under the same Idempotency-Key answers without `token`: mint another.',
  })
  mint(@Context() context: RequestContext, @Body() body: NewToken): Promise<Answer> {
    return this.commands.run(context, [], async (tx) => {
      const { caller, credential } = context;
      const { token, ...kept } = await this.tokens.mint(tx, caller, credential.digest, body);
      return Answer.created(null, kept, { token });
    });
  }
}
