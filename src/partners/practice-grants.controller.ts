import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Signals } from '../database/signals.js';
import type { Tx } from '../database/transactions.js';
import { OpenToApplications } from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, type Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import {
  GrantChange,
  GrantPage,
  GrantResource,
  NewGrant,
  PracticeGrantListQuery,
} from './grant.dto.js';
import type { Grant } from './grant.entity.js';
import { GrantsService } from './grants.service.js';

/** A practice's own side: for the operator, and for the applications that reach the practice. */
@ApiTags('grants')
@Controller('v1/practices/:practiceId/grants')
@OpenToApplications()
export class PracticeGrantsController {
  constructor(
    private readonly grants: GrantsService,
    private readonly commands: Commands,
    private readonly signals: Signals,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Grant a partner what it may hear of and read' })
  @ApiCreatedResponse({
    type: GrantResource,
    description: 'What happens from its start on is for the partner; `grant.created` tells it.',
  })
  create(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Body() body: NewGrant,
  ): Promise<Answer> {
    return this.run(context, practiceId, async (tx) => {
      const grant = await this.grants.create(tx, context.cause, practiceId, body);
      return Answer.created(`/v1/practices/${practiceId}/grants/${grant.id}`, grant);
    });
  }

  @Get()
  @ApiOperation({ summary: 'List the grants of a practice' })
  @ListRoute('In order of creation, those that have ended too.', GrantPage)
  list(
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Query() query: PracticeGrantListQuery,
  ): Promise<Page<Grant>> {
    return this.grants.listOfPractice(practiceId, query);
  }

  @Get(':grantId')
  @ApiOperation({ summary: 'Read a grant of a practice' })
  @ApiOkResponse({ type: GrantResource })
  get(
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('grantId', new IdOf('grant')) id: string,
  ): Promise<Grant> {
    return this.grants.getOfPractice(practiceId, id);
  }

  @Patch(':grantId')
  @ApiOperation({ summary: 'Change the terms of a grant' })
  @ApiOkResponse({
    type: GrantResource,
    description: 'Holds at once; what waits and is no longer granted becomes `withheld`.',
  })
  change(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('grantId', new IdOf('grant')) id: string,
    @Body() body: GrantChange,
  ): Promise<Answer> {
    return this.run(context, practiceId, async (tx) => {
      const grant = await this.grants.get({ practiceId, id }, tx);
      context.requireMatch(grant);
      return Answer.ok(await this.grants.change(tx, context.cause, grant, body));
    });
  }

  @Delete(':grantId')
  @ApiOperation({ summary: 'Revoke a grant' })
  @ApiNoContentResponse({
    description: 'Revoked at once: what waits to be delivered under it becomes `withheld`.',
  })
  revoke(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('grantId', new IdOf('grant')) id: string,
  ): Promise<Answer> {
    return this.run(context, practiceId, async (tx) => {
      const grant = await this.grants.get({ practiceId, id }, tx);
      context.requireMatch(grant);
      return Answer.noContent(await this.grants.revoke(tx, context.cause, grant));
    });
  }

  private async run(
    context: RequestContext,
    practiceId: string,
    work: (tx: Tx) => Promise<Answer>,
  ): Promise<Answer> {
    const answer = await this.commands.run(context, [practiceId], work);
    this.signals.emit('access');
    this.signals.emit('deliveries');
    return answer;
  }
}
