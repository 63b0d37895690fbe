import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  OpenToApplications,
  OpenToPartners,
  WithinReach,
} from '../platform/access/access.guard.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, type Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { GrantListQuery, GrantPage, GrantResource } from './grant.dto.js';
import type { Grant } from './grant.entity.js';
import { GrantsService } from './grants.service.js';

/** Where `grant.*` events lead: for a partner what it is granted, for an application what its practices grant. */
@ApiTags('grants')
@Controller('v1/grants')
@OpenToApplications()
@OpenToPartners()
@WithinReach()
export class GrantsController {
  constructor(private readonly grants: GrantsService) {}

  @Get()
  @ApiOperation({ summary: 'List the grants that concern the caller' })
  @ListRoute("The caller's, in order of creation, those that have ended too.", GrantPage)
  list(
    @Context() { caller }: RequestContext,
    @Query() query: GrantListQuery,
  ): Promise<Page<Grant>> {
    return this.grants.list(caller, query);
  }

  @Get(':grantId')
  @ApiOperation({ summary: 'Read a grant that concerns the caller' })
  @ApiOkResponse({ type: GrantResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('grantId', new IdOf('grant')) id: string,
  ): Promise<Grant> {
    return this.grants.getFor(caller, id);
  }
}
