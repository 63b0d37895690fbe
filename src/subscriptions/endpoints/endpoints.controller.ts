import { randomBytes } from 'node:crypto';
import {
  Body,
  Controller,
  Delete,
  Get,
  Param,
  Patch,
  Post,
  Query,
  UseGuards,
} from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { v7 as uuidv7 } from 'uuid';
import { Signals } from '../../database/signals.js';
import { OpenToApplications, OpenToPartners } from '../../platform/access/access.guard.js';
import { scopeOf } from '../../platform/access/caller.js';
import { Answer } from '../../platform/http/answer.js';
import { Commands } from '../../platform/http/commands.js';
import { IdOf } from '../../platform/http/input.pipe.js';
import { ListRoute, type Page } from '../../platform/http/lists.js';
import { Context, RequestContext } from '../../platform/http/request-context.js';
import { shardOf } from '../deliveries/shard-owner.js';
import { newSigningKey } from '../signing/signing-key.js';
import {
  CreatedEndpoint,
  EndpointChange,
  EndpointListQuery,
  EndpointPage,
  EndpointResource,
  NewEndpoint,
} from './endpoint.dto.js';
import { EndpointRemains } from './endpoint-remains.js';
import { keepable } from './endpoint-settings.js';
import { concernsEngine, EndpointsService } from './endpoints.service.js';
import { EndpointOwnerGuard } from './endpoint-owner.guard.js';
import { HoldsNoPatientData } from '../../audit/reads.interceptor.js';

@HoldsNoPatientData()
@ApiTags('endpoints')
@Controller('v1/endpoints')
@OpenToApplications()
@OpenToPartners()
@UseGuards(EndpointOwnerGuard)
export class EndpointsController {
  constructor(
    private readonly endpoints: EndpointsService,
    private readonly remains: EndpointRemains,
    private readonly commands: Commands,
    private readonly signals: Signals,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Register an endpoint for webhooks' })
  @ApiCreatedResponse({
    type: CreatedEndpoint,
    description:
      'Events that happen from now on are for it. `secret` is shown this once; a repetition under the same Idempotency-Key answers without it.',
  })
  async create(@Context() context: RequestContext, @Body() body: NewEndpoint): Promise<Answer> {
    const faults = await this.endpoints.faultsOf(body);
    return this.commands.run(context, [], async (tx) => {
      const id = uuidv7();
      const { secret } = newSigningKey('hmac', randomBytes(32));
      const made = await this.endpoints.create(tx, context.caller, { id, secret, faults }, body);
      const { kept, once } = keepable(made);
      return Answer.created(`/v1/endpoints/${id}`, kept, { ...once, secret });
    });
  }

  @Get()
  @ApiOperation({ summary: 'List endpoints' })
  @ListRoute('In order of creation.', EndpointPage)
  list(
    @Context() { caller }: RequestContext,
    @Query() query: EndpointListQuery,
  ): Promise<Page<EndpointResource>> {
    return this.endpoints.list(caller, query);
  }

  @Get(':endpointId')
  @ApiOperation({ summary: 'Read an endpoint' })
  @ApiOkResponse({ type: EndpointResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) id: string,
  ): Promise<EndpointResource> {
    return this.endpoints.get(caller, id);
  }

  @Patch(':endpointId')
  @ApiOperation({ summary: 'Change an endpoint' })
  @ApiOkResponse({
    type: EndpointResource,
    description:
      'Holds from the next fact on. What is open already goes to the new address, and waits while the endpoint is disabled.',
  })
  async change(
    @Context() context: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) id: string,
    @Body() body: EndpointChange,
  ): Promise<Answer> {
    const faults = await this.endpoints.faultsOf(body);
    const answer = await this.commands.run(context, [], async (tx) => {
      const endpoint = await this.endpoints.lock(tx, id);
      context.requireMatch(endpoint);
      return Answer.ok(await this.endpoints.change(tx, context.caller, endpoint, body, faults));
    });
    if (concernsEngine(body)) this.signals.emit('deliveries', [String(shardOf(id))]);
    return answer;
  }

  @Delete(':endpointId')
  @ApiOperation({ summary: 'Delete an endpoint' })
  @ApiNoContentResponse({
    description: 'Gone for good, with its secret; what is open is withheld.',
  })
  async remove(
    @Context() context: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) id: string,
  ): Promise<Answer> {
    const answer = await this.commands.run(context, [], async (tx) => {
      const endpoint = await this.endpoints.lock(tx, id);
      context.requireMatch(endpoint);
      await this.endpoints.bury(tx, endpoint);
      return Answer.noContent();
    });
    this.signals.emit('deliveries', [String(shardOf(id))]);
    // Not awaited: a backlog of a million takes longer than a caller waits.
    void this.remains.withholdRest(id, scopeOf(context.caller));
    return answer;
  }
}
