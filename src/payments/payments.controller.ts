import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OpenToApplications, OpenToPartners } from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, ResourceListQuery, type Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import type { LedgerEntry } from './ledger-entry.entity.js';
import { EntryPage, EntryResource, NewPayment, Refund, Reversal } from './ledger.dto.js';
import { EntriesService } from './entries.service.js';
import { LedgerService } from './ledger.service.js';

@ApiTags('payments')
@Controller('v1/practices/:practiceId/payments')
@OpenToApplications()
export class PaymentsController {
  constructor(
    private readonly ledger: LedgerService,
    private readonly entries: EntriesService,
    private readonly commands: Commands,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Post a payment' })
  @ApiCreatedResponse({ type: EntryResource })
  post(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Body() body: NewPayment,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const entry = await this.ledger.post(tx, context.cause, practiceId, 'payment', body);
      return Answer.created(`/v1/practices/${practiceId}/payments/${entry.id}`, entry);
    });
  }

  @Get()
  @ApiOperation({ summary: 'List payments' })
  @OpenToPartners()
  @ListRoute('In order of creation.', EntryPage)
  list(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Query() query: ResourceListQuery,
  ): Promise<Page<object>> {
    return this.entries.list(caller, practiceId, 'payment', query);
  }

  @Get(':paymentId')
  @ApiOperation({ summary: 'Read a payment' })
  @OpenToPartners()
  @ApiOkResponse({ type: EntryResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('paymentId', new IdOf('payment')) id: string,
  ): Promise<object> {
    return this.entries.read(caller, practiceId, 'payment', id);
  }

  @Post(':paymentId/refund')
  @ApiOperation({ summary: 'Refund a payment, whole or in part' })
  @ApiCreatedResponse({ type: EntryResource, description: 'The entry that pays back.' })
  refund(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('paymentId', new IdOf('payment')) id: string,
    @Body() body: Refund,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const payment = await this.entries.get(practiceId, 'payment', id, tx);
      context.matchIfGiven(payment);
      return undoing(await this.ledger.refund(tx, context.cause, payment, body));
    });
  }

  @Post(':paymentId/reverse')
  @ApiOperation({ summary: 'Reverse a payment' })
  @ApiCreatedResponse({ type: EntryResource, description: 'The entry that undoes the payment.' })
  reverse(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('paymentId', new IdOf('payment')) id: string,
    @Body() body: Reversal,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const payment = await this.entries.get(practiceId, 'payment', id, tx);
      context.matchIfGiven(payment);
      return undoing(await this.ledger.reverse(tx, context.cause, payment, body));
    });
  }
}

/** Refunds and reversals are found on their account. */
function undoing(entry: LedgerEntry): Answer {
  const { practiceId, accountId, id } = entry;
  return Answer.created(`/v1/practices/${practiceId}/accounts/${accountId}/entries/${id}`, entry);
}
