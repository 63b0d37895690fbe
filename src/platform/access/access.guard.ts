import { Injectable, type CanActivate, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../http/problem.js';
import { OperatorKeys } from './operator-key.js';

const open = 'open';

/** For what anybody may ask: health and metrics. */
export const OpenToAll = () => SetMetadata(open, true);

/** Lets nobody in without a key; a new route is closed until it says otherwise. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly keys: OperatorKeys,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const [scheme, key] = (request.headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() === 'bearer' && key && this.keys.accepts(key)) {
      request.caller = { identity: 'operator', actor: 'operator' };
      return true;
    }
    if (this.reflector.getAllAndOverride(open, [context.getHandler(), context.getClass()])) {
      return true;
    }
    throw new Problem(
      401,
      'unauthorized',
      'Send the key as "Authorization: Bearer hub_live_…". The operator has it.',
    );
  }
}
