import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { firstPagePosition } from '../../platform/http/lists.js';
import { ApiLog } from '../log/api-log.js';
import { formatPosition } from '../position.js';

/**
 * Gives the first page of a list its `Hub-Position`. Read before the list: whatever the list's snapshot misses
 * commits above it, and so appears in the feed from there.
 */
@Injectable()
export class HubPositionInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly log: ApiLog,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const { after } = http.getRequest<FastifyRequest>().query as { after?: string };
    if (after === undefined && this.reflector.get(firstPagePosition, context.getHandler())) {
      const { settled } = await this.log.horizon();
      void http.getResponse<FastifyReply>().header('hub-position', formatPosition(settled));
    }
    return next.handle();
  }
}
