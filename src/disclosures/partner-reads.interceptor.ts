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
        const shown = shownBy(pattern, practiceId, result);
        const told = await this.disclosures.read(caller, how, id, shown);
        if (told.length > 0) request.auditNote = noteOf(told);
        return result;
      }),
    );
  }
}

/** For the audit trail, which is written after this: what let the partner read, each of several once. */
function noteOf(told: readonly { mode: string; purpose: string | null }[]): Record<string, string> {
  const each = (values: (string | null)[]) =>
    [...new Set(values.filter((value) => value !== null))].sort().join(', ');
  const purpose = each(told.map((disclosure) => disclosure.purpose));
  return { readMode: each(told.map(({ mode }) => mode)), ...(purpose && { purpose }) };
}
