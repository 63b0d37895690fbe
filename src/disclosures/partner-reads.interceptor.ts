import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { mergeMap, type Observable } from 'rxjs';
import { Disclosures } from './disclosures.service.js';
import { shownBy } from './shown.rules.js';

/**
 * Puts on record what partners read of persons, whatever route gives it: before the answer leaves, and where it cannot
 * be written, nothing leaves.
 */
@Injectable()
export class PartnerReadsInterceptor implements NestInterceptor {
  constructor(private readonly disclosures: Disclosures) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { caller, id, routeOptions, params } = request;
    if (caller?.kind !== 'partner' || request.method !== 'GET') return next.handle();
    const pattern = routeOptions.url ?? '';
    const { practiceId } = params as { practiceId?: string };
    const how = pattern.includes('/events') ? 'feed' : 'fetch';
    return next.handle().pipe(
      mergeMap(async (result) => {
        await this.disclosures.read(caller, how, id, shownBy(pattern, practiceId, result));
        return result;
      }),
    );
  }
}
