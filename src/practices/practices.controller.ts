import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { v7 as uuidv7 } from 'uuid';
import {
  OpenToApplications,
  OpenToPartners,
  WithinReach,
} from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, ResourceListQuery, type Page } from '../platform/http/lists.js';
import { Problem } from '../platform/http/problem.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { NewPractice, PracticeChange, PracticePage, PracticeResource } from './practice.dto.js';
import type { Practice } from './practice.entity.js';
import { PracticesService } from './practices.service.js';
import { HoldsNoPatientData } from '../audit/reads.interceptor.js';

@HoldsNoPatientData()
@ApiTags('practices')
@Controller('v1/practices')
export class PracticesController {
  constructor(
    private readonly practices: PracticesService,
    private readonly commands: Commands,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Register a practice' })
  @ApiCreatedResponse({ type: PracticeResource })
  create(@Context() context: RequestContext, @Body() body: NewPractice): Promise<Answer> {
    return this.commands.run(context, [], async (tx) => {
      const id = uuidv7();
      return Answer.created(`/v1/practices/${id}`, await this.practices.create(tx, id, body));
    });
  }

  @Get()
  @ApiOperation({ summary: 'List practices' })
  @OpenToApplications()
  @OpenToPartners()
  @WithinReach()
  @ListRoute('In order of creation.', PracticePage)
  list(
    @Context() { caller }: RequestContext,
    @Query() query: ResourceListQuery,
  ): Promise<Page<object>> {
    return this.practices.list(caller, query);
  }

  @Get(':practiceId')
  @ApiOperation({ summary: 'Read a practice' })
  @OpenToApplications()
  @OpenToPartners()
  @ApiOkResponse({
    type: PracticeResource,
    description: 'Partners are shown neither externalIds, reminderRules nor requiresAgreements.',
  })
  get(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) id: string,
  ): Promise<object> {
    return this.practices.read(caller, id);
  }

  @Patch(':practiceId')
  @ApiOperation({ summary: 'Change a practice' })
  @OpenToApplications()
  @ApiOkResponse({
    type: PracticeResource,
    description: 'The external ids of a practice are the operator’s to change.',
  })
  change(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) id: string,
    @Body() body: PracticeChange,
  ): Promise<Answer> {
    return this.commands.run(context, [id], async (tx) => {
      const practice = await this.practices.get(id, tx);
      context.requireMatch(practice);
      if (context.caller.kind !== 'operator') keepExternalIds(practice, body);
      return Answer.ok(await this.practices.change(tx, context.cause, practice, body));
    });
  }
}

/**
 * No two practices of the hub share an external id, so that a refusal of one that is taken would tell an application of
 * a practice that it does not reach.
 * @throws Problem 403 for a change of them.
 */
function keepExternalIds({ externalIds }: Practice, change: PracticeChange): void {
  const spelled = (ids: readonly { system: string; value: string }[]) =>
    JSON.stringify(ids.map(({ system, value }) => [system, value]).sort());
  if (!change.externalIds || spelled(change.externalIds) === spelled(externalIds)) return;
  throw new Problem(
    403,
    'operator_only',
    'Only the operator of the hub may change the externalIds of a practice.',
  );
}
