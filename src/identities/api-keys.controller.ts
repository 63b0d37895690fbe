import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { NeedsKey } from '../platform/access/access.guard.js';
import type { Answer } from '../platform/http/answer.js';
import { IdOf } from '../platform/http/input.pipe.js';
import type { Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { ApiKeyCommands, type KeyOwner } from './api-key-commands.js';
import { ApiKeyListQuery, ApiKeyPage, CreatedApiKey, NewApiKey } from './api-key.dto.js';
import type { ApiKey } from './api-key.entity.js';
import { ApiKeys } from './api-keys.service.js';
import { ApplicationsService } from './applications.service.js';
import { HoldsNoPatientData } from '../audit/reads.interceptor.js';

/** For the operator alone. */
@HoldsNoPatientData()
@ApiTags('applications')
@Controller('v1/applications/:applicationId/keys')
export class ApiKeysController {
  constructor(
    private readonly keys: ApiKeys,
    private readonly commands: ApiKeyCommands,
    private readonly applications: ApplicationsService,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Make a key for an application' })
  @NeedsKey()
  @ApiCreatedResponse({
    type: CreatedApiKey,
    description:
      '`key` is shown this once; a repetition under the same Idempotency-Key answers without it. Several may be valid at once, so that they are rotated without a pause.',
  })
  create(
    @Context() context: RequestContext,
    @Param('applicationId', new IdOf('application')) applicationId: string,
    @Body() body: NewApiKey,
  ): Promise<Answer> {
    return this.commands.create(context, this.owner(applicationId), body);
  }

  @Get()
  @ApiOperation({ summary: "List an application's keys" })
  @ApiOkResponse({ type: ApiKeyPage, description: 'In order of creation, the revoked ones too.' })
  async list(
    @Context() { caller }: RequestContext,
    @Param('applicationId', new IdOf('application')) applicationId: string,
    @Query() query: ApiKeyListQuery,
  ): Promise<Page<ApiKey>> {
    await this.applications.get(caller, applicationId);
    return this.keys.list(this.owner(applicationId).name, query);
  }

  @Delete(':keyId')
  @ApiOperation({ summary: "Revoke an application's key" })
  @ApiNoContentResponse({ description: 'Revoked: it opens nothing any more. Needs no If-Match.' })
  revoke(
    @Context() context: RequestContext,
    @Param('applicationId', new IdOf('application')) applicationId: string,
    @Param('keyId', new IdOf('key')) id: string,
  ): Promise<Answer> {
    return this.commands.revoke(context, this.owner(applicationId), id);
  }

  private owner(id: string): KeyOwner {
    return { name: `applications/${id}`, lock: (tx) => this.applications.lock(tx, id) };
  }
}
