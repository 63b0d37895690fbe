import { Body, Controller, Get, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { v7 as uuidv7 } from 'uuid';
import { OpenToApplications, OpenToPartners } from '../../platform/access/access.guard.js';
import { Answer } from '../../platform/http/answer.js';
import { Commands } from '../../platform/http/commands.js';
import { IdOf } from '../../platform/http/input.pipe.js';
import { ListQuery, ListRoute, type Page } from '../../platform/http/lists.js';
import { Context, RequestContext } from '../../platform/http/request-context.js';
import { endpointKey } from '../endpoints/endpoint-events.js';
import { NewReplay, ReplayCount, ReplayPage, ReplayResource } from './replay.dto.js';
import { ReplayRunner } from './replay-runner.js';
import { ReplaysService } from './replays.service.js';
import { EndpointOwnerGuard } from '../endpoints/endpoint-owner.guard.js';
import { HoldsNoPatientData } from '../../audit/reads.interceptor.js';

@HoldsNoPatientData()
@ApiTags('endpoints')
@Controller('v1/endpoints/:endpointId/replays')
@OpenToApplications()
@OpenToPartners()
@UseGuards(EndpointOwnerGuard)
export class ReplaysController {
  constructor(
    private readonly replays: ReplaysService,
    private readonly runner: ReplayRunner,
    private readonly commands: Commands,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Send an endpoint again what matches' })
  @ApiCreatedResponse({
    type: ReplayResource,
    description:
      'Begins to look for what matches, and sends it at the rate asked for; such webhooks carry hub-replay. 422 for a body that chooses nothing: name a time, types, a status or `missing`. 409 while another replay of the endpoint is open, and for a disabled endpoint.',
  })
  @ApiOkResponse({ type: ReplayCount, description: 'With dryRun: counted, and nothing else.' })
  async create(
    @Context() context: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) endpointId: string,
    @Body() body: NewReplay,
  ): Promise<Answer> {
    if (body.dryRun) return Answer.ok(await this.replays.count(context.caller, endpointId, body));
    const answer = await this.commands.run(context, [], async (tx) => {
      const id = uuidv7();
      const replay = await this.replays.create(tx, { id, endpointId }, body, context.cause);
      return Answer.created(`/v1/endpoints/${endpointId}/replays/${id}`, replay);
    });
    this.runner.wake();
    return answer;
  }

  @Get()
  @ApiOperation({ summary: 'List the replays of an endpoint' })
  @ListRoute('Newest first.', ReplayPage)
  list(
    @Context() { caller }: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) endpointId: string,
    @Query() query: ListQuery,
  ): Promise<Page<ReplayResource>> {
    return this.replays.list(caller, endpointId, query);
  }

  @Get(':replayId')
  @ApiOperation({ summary: 'Read how far a replay is' })
  @ApiOkResponse({ type: ReplayResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) endpointId: string,
    @Param('replayId', new IdOf('replay')) id: string,
  ): Promise<ReplayResource> {
    return this.replays.get(caller, endpointId, id);
  }

  @Post(':replayId/cancel')
  @ApiOperation({ summary: 'Cancel a replay' })
  @HttpCode(200)
  @ApiOkResponse({
    type: ReplayResource,
    description: 'Nothing more of it is queued; what is queued is sent. 409 once it has ended.',
  })
  cancel(
    @Context() context: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) endpointId: string,
    @Param('replayId', new IdOf('replay')) id: string,
  ): Promise<Answer> {
    return this.commands.run(context, [endpointKey(endpointId)], async (tx) =>
      Answer.ok(await this.replays.cancel(tx, endpointId, id, context.cause)),
    );
  }
}
