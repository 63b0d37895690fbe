import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OpenToApplications, OpenToPartners } from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, ResourceListQuery, type Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { EntryPage, EntryResource, NewAdjustment } from './ledger.dto.js';
import { EntriesService } from './entries.service.js';
import { LedgerService } from './ledger.service.js';

@ApiTags('adjustments')
@Controller('v1/practices/:practiceId/adjustments')
@OpenToApplications()
export class AdjustmentsController {
  constructor(
    private readonly ledger: LedgerService,
    private readonly entries: EntriesService,
    private readonly commands: Commands,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Post an adjustment' })
  @ApiCreatedResponse({ type: EntryResource })
  post(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Body() body: NewAdjustment,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const entry = await this.ledger.post(tx, context.cause, practiceId, body.kind, body);
      return Answer.created(`/v1/practices/${practiceId}/adjustments/${entry.id}`, entry);
    });
  }

  @Get()
  @ApiOperation({ summary: 'List adjustments' })
  @OpenToPartners()
  @ListRoute('In order of creation.', EntryPage)
  list(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Query() query: ResourceListQuery,
  ): Promise<Page<object>> {
    return this.entries.list(caller, practiceId, 'adjustment', query);
  }

  @Get(':adjustmentId')
  @ApiOperation({ summary: 'Read an adjustment' })
  @OpenToPartners()
  @ApiOkResponse({ type: EntryResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('adjustmentId', new IdOf('adjustment')) id: string,
  ): Promise<object> {
    return this.entries.read(caller, practiceId, 'adjustment', id);
  }
}
