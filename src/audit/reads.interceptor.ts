import {
  Injectable,
  SetMetadata,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { mergeMap, type Observable } from 'rxjs';
import { Answer } from '../platform/http/answer.js';
import { Journal } from './journal.js';
import { readEntry } from './request-entry.js';

const noPatientData = 'noPatientData';

/**
 * For reads that the trail does not tell of, since they never hold anything of a patient: settings, catalogues, hashes.
 * A route that does not say so is recorded.
 */
export const HoldsNoPatientData = () => SetMetadata(noPatientData, true);

/**
 * Records every read before its answer leaves: where the entry cannot be committed, nothing is told. Changes record
 * themselves, in their transaction (`Commands`).
 */
@Injectable()
export class ReadsInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly journal: Journal,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (!this.isRecorded(request, context)) return next.handle();
    return next.handle().pipe(
      mergeMap(async (result) => {
        const told = result instanceof Answer ? result.body : result;
        await this.journal.write(readEntry(request, told));
        return result;
      }),
    );
  }

  private isRecorded({ method, caller }: FastifyRequest, context: ExecutionContext): boolean {
    if (caller === undefined || (method !== 'GET' && method !== 'HEAD')) return false;
    const marks = [context.getHandler(), context.getClass()];
    return !this.reflector.getAllAndOverride<boolean>(noPatientData, marks);
  }
}
