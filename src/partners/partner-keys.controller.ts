import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { ApiKeyCommands, type KeyOwner } from '../identities/api-key-commands.js';
import {
  ApiKeyListQuery,
  ApiKeyPage,
  CreatedApiKey,
  NewApiKey,
} from '../identities/api-key.dto.js';
import type { ApiKey } from '../identities/api-key.entity.js';
import { ApiKeys } from '../identities/api-keys.service.js';
import { NeedsKey } from '../platform/access/access.guard.js';
import type { Answer } from '../platform/http/answer.js';
import { IdOf } from '../platform/http/input.pipe.js';
import type { Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { PartnersService } from './partners.service.js';

/** For the operator alone. */
@ApiTags('partners')
@Controller('v1/partners/:partnerId/keys')
export class PartnerKeysController {
  constructor(
    private readonly keys: ApiKeys,
    private readonly commands: ApiKeyCommands,
    private readonly partners: PartnersService,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Make a key for a partner' })
  @NeedsKey()
  @ApiCreatedResponse({
    type: CreatedApiKey,
    description:
      '`key` is shown this once. A test key reaches what sandbox practices grant, a live key what the others do.',
  })
  create(
    @Context() context: RequestContext,
    @Param('partnerId', new IdOf('partner')) partnerId: string,
    @Body() body: NewApiKey,
  ): Promise<Answer> {
    return this.commands.create(context, this.owner(partnerId), body);
  }

  @Get()
  @ApiOperation({ summary: "List a partner's keys" })
  @ApiOkResponse({ type: ApiKeyPage, description: 'In order of creation, the revoked ones too.' })
  async list(
    @Param('partnerId', new IdOf('partner')) partnerId: string,
    @Query() query: ApiKeyListQuery,
  ): Promise<Page<ApiKey>> {
    await this.partners.get(partnerId);
    return this.keys.list(this.owner(partnerId).name, query);
  }

  @Delete(':keyId')
  @ApiOperation({ summary: "Revoke a partner's key" })
  @ApiNoContentResponse({ description: 'Revoked: it opens nothing any more. Needs no If-Match.' })
  revoke(
    @Context() context: RequestContext,
    @Param('partnerId', new IdOf('partner')) partnerId: string,
    @Param('keyId', new IdOf('key')) id: string,
  ): Promise<Answer> {
    return this.commands.revoke(context, this.owner(partnerId), id);
  }

  private owner(id: string): KeyOwner {
    return { name: `partners/${id}`, lock: (tx) => this.partners.lock(tx, id) };
  }
}
