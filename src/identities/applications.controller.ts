import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { v7 as uuidv7 } from 'uuid';
import { Signals } from '../database/signals.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import type { Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import {
  ApplicationChange,
  ApplicationListQuery,
  ApplicationPage,
  ApplicationResource,
  NewApplication,
} from './application.dto.js';
import { ApplicationsService } from './applications.service.js';
import { HoldsNoPatientData } from '../audit/reads.interceptor.js';

/** For the operator alone. */
@HoldsNoPatientData()
@ApiTags('applications')
@Controller('v1/applications')
export class ApplicationsController {
  constructor(
    private readonly applications: ApplicationsService,
    private readonly commands: Commands,
    private readonly signals: Signals,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Register an application' })
  @ApiCreatedResponse({ type: ApplicationResource })
  create(@Context() context: RequestContext, @Body() body: NewApplication): Promise<Answer> {
    return this.commands.run(context, [], async (tx) => {
      const id = uuidv7();
      const application = await this.applications.create(tx, id, body);
      return Answer.created(`/v1/applications/${id}`, application);
    });
  }

  @Get()
  @ApiOperation({ summary: 'List applications' })
  @ApiOkResponse({ type: ApplicationPage, description: 'In order of creation.' })
  list(
    @Context() { caller }: RequestContext,
    @Query() query: ApplicationListQuery,
  ): Promise<Page<ApplicationResource>> {
    return this.applications.list(caller, query);
  }

  @Get(':applicationId')
  @ApiOperation({ summary: 'Read an application' })
  @ApiOkResponse({ type: ApplicationResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('applicationId', new IdOf('application')) id: string,
  ): Promise<ApplicationResource> {
    return this.applications.get(caller, id);
  }

  @Patch(':applicationId')
  @ApiOperation({ summary: "Change an application's name or practices" })
  @ApiOkResponse({
    type: ApplicationResource,
    description:
      'A practice that is left out is out of reach at once; what waits to be delivered of it becomes `withheld`.',
  })
  async change(
    @Context() context: RequestContext,
    @Param('applicationId', new IdOf('application')) id: string,
    @Body() body: ApplicationChange,
  ): Promise<Answer> {
    const answer = await this.commands.run(context, [], async (tx) => {
      const application = await this.applications.lock(tx, id);
      context.requireMatch(application);
      return Answer.ok(await this.applications.change(tx, application, body));
    });
    this.signals.emit('access');
    if (body.practiceIds) this.signals.emit('deliveries');
    return answer;
  }
}
