import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { isUUID } from 'class-validator';
import type { FastifyReply } from 'fastify';
import {
  OpenToApplications,
  OpenToPartners,
  unauthorized,
  WithinReach,
} from '../../platform/access/access.guard.js';
import type { Caller } from '../../platform/access/caller.js';
import { Callers } from '../../platform/access/callers.js';
import { IdOf } from '../../platform/http/input.pipe.js';
import { defaultLimit, listOf } from '../../platform/http/lists.js';
import { invalidParameter, notFound, Problem } from '../../platform/http/problem.js';
import { Context, RequestContext } from '../../platform/http/request-context.js';
import type { CloudEvent } from '../catalog/envelope.js';
import { wantedTypes } from '../catalog/unknown-types.js';
import { CursorUnusable } from '../log/event-log.js';
import { parsePosition } from '../position.js';
import { FeedPage, FeedQuery } from './feed.dto.js';
import { FeedService } from './feed.service.js';

@ApiTags('events')
@Controller('v1/events')
@OpenToApplications()
@OpenToPartners()
@WithinReach()
export class FeedController {
  constructor(
    private readonly feed: FeedService,
    private readonly callers: Callers,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Read the feed of events, in the order of the log' })
  @ApiOkResponse({ type: FeedPage, description: 'In log order: what happened first comes first.' })
  async read(
    @Context() { authorization }: RequestContext,
    @Query() query: FeedQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ data: CloudEvent[]; nextCursor: string }> {
    if (query.after !== undefined && !parsePosition(query.after)) {
      throw invalidParameter(
        'after',
        'unknown_cursor',
        'after must be a nextCursor or Hub-Position.',
      );
    }
    const filter = {
      eventTypes: wantedTypes(query.eventTypes),
      practiceIds: listOf(query.practiceIds, 'practiceIds', (id) => isUUID(id)),
    };
    const { limit = defaultLimit, wait = 0 } = query;
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const caller = () => this.callerNow(authorization);
    try {
      return await this.feed.read(caller, query.after, filter, limit, wait * 1000, gone.signal);
    } catch (error) {
      if (error instanceof CursorUnusable) throw new Problem(410, error.code, error.message);
      throw error;
    }
  }

  /** A request that waits outlasts what its key could when it came. @throws Problem 401 */
  private async callerNow(authorization: string | undefined): Promise<Caller> {
    const caller = await this.callers.of(authorization);
    if (!caller?.scopes.includes('read')) throw unauthorized();
    return caller;
  }

  @Get(':eventId')
  @ApiOperation({ summary: 'Read one event' })
  @ApiOkResponse({ schema: { type: 'object' }, description: 'A CloudEvent.' })
  async get(
    @Context() { caller }: RequestContext,
    @Param('eventId', new IdOf('event')) id: string,
  ): Promise<CloudEvent> {
    const event = await this.feed.get(caller, id);
    if (!event) throw notFound('event');
    return event;
  }
}
