import { Controller, Get, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Signals } from '../../database/signals.js';
import { OpenToApplications, OpenToPartners } from '../../platform/access/access.guard.js';
import { Answer } from '../../platform/http/answer.js';
import { Commands } from '../../platform/http/commands.js';
import { IdOf } from '../../platform/http/input.pipe.js';
import { ListRoute, type Page } from '../../platform/http/lists.js';
import { Context, RequestContext } from '../../platform/http/request-context.js';
import { DeliveriesService } from './deliveries.service.js';
import {
  DeliveryDetail,
  DeliveryListQuery,
  DeliveryPage,
  type DeliveryResource,
} from './delivery.dto.js';
import { shardOf } from './shard-owner.js';
import { EndpointOwnerGuard } from '../endpoints/endpoint-owner.guard.js';

@ApiTags('deliveries')
@Controller('v1')
@OpenToApplications()
@OpenToPartners()
@UseGuards(EndpointOwnerGuard)
export class DeliveriesController {
  constructor(
    private readonly deliveries: DeliveriesService,
    private readonly commands: Commands,
    private readonly signals: Signals,
  ) {}

  @Get('endpoints/:endpointId/deliveries')
  @ApiOperation({ summary: 'List the deliveries of an endpoint' })
  @ListRoute(
    'Newest number first. With filters a page may be short or empty and still have a nextCursor.',
    DeliveryPage,
  )
  list(
    @Context() { caller }: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) endpointId: string,
    @Query() query: DeliveryListQuery,
  ): Promise<Page<DeliveryResource>> {
    return this.deliveries.list(caller, endpointId, query);
  }

  @Get('deliveries/:deliveryId')
  @ApiOperation({ summary: 'Read a delivery with its attempts' })
  @ApiOkResponse({ type: DeliveryDetail })
  get(
    @Context() { caller }: RequestContext,
    @Param('deliveryId', new IdOf('delivery')) id: string,
  ): Promise<DeliveryDetail> {
    return this.deliveries.get(caller, id);
  }

  @Post('deliveries/:deliveryId/resend')
  @ApiOperation({ summary: 'Send a delivery once more' })
  @HttpCode(200)
  @ApiOkResponse({
    type: DeliveryDetail,
    description:
      'Another attempt is due at once. 409 before the first attempt, for a delivery that may no longer be sent, for an event that was erased or has passed retention, and for a disabled endpoint.',
  })
  async resend(
    @Context() context: RequestContext,
    @Param('deliveryId', new IdOf('delivery')) id: string,
  ): Promise<Answer> {
    let shard: number | undefined;
    const answer = await this.commands.run(context, [], async (tx) => {
      const delivery = await this.deliveries.resend(tx, id);
      shard = shardOf(delivery.endpointId);
      // What receivers answered is kept for a week and in one place; not under the idempotency key as well.
      const attempts = delivery.attempts.map((attempt) => ({ ...attempt, response: undefined }));
      return Answer.ok({ ...delivery, attempts }, { attempts: delivery.attempts });
    });
    if (shard !== undefined) this.signals.emit('deliveries', [String(shard)]);
    return answer;
  }
}
