import { Injectable, type CanActivate, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { notFound, Problem } from '../http/problem.js';
import { tooMany } from '../http/rate-limits.js';
import { operator, reaches, type Caller } from './caller.js';
import { KeyRing } from './key-ring.js';
import { OperatorKeys } from './operator-key.js';

const open = 'open';
const openToApplications = 'openToApplications';

/** For what anybody may ask: health and metrics. */
export const OpenToAll = () => SetMetadata(open, true);

/** For what applications may ask as well as the operator, about the practices they reach and what they own. */
export const OpenToApplications = () => SetMetadata(openToApplications, true);

/**
 * Lets nobody in without a key, and applications only where a route says so: a new route is closed until then. A
 * practice that a caller does not reach is not there, which is decided before anything of it is read.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly operatorKeys: OperatorKeys,
    private readonly keys: KeyRing,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const caller = await this.callerOf(request);
    if (!caller) {
      if (this.says(open, context)) return true;
      if (request.isSuspect !== undefined && request.headers.authorization) {
        throw tooMany('Too many keys that open nothing came from this address.', request.isSuspect);
      }
      throw new Problem(
        401,
        'unauthorized',
        'Send a valid key as "Authorization: Bearer hub_live_…". The operator gives keys out.',
      );
    }
    request.caller = caller;
    if (caller.kind === 'operator' || this.says(open, context)) return true;
    if (!this.says(openToApplications, context)) {
      throw new Problem(403, 'operator_only', 'Only the operator of the hub may do this.');
    }
    assertScope(caller, request.method);
    const { practiceId } = request.params as { practiceId?: string };
    if (practiceId !== undefined && !reaches(caller, practiceId.toLowerCase())) {
      throw notFound('practice');
    }
    return true;
  }

  private async callerOf({ headers }: FastifyRequest): Promise<Caller | undefined> {
    const [scheme, key] = (headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() !== 'bearer' || !key) return undefined;
    if (this.operatorKeys.accepts(key)) return operator;
    return this.keys.callerOf(key);
  }

  private says(what: string, context: ExecutionContext): boolean {
    return Boolean(
      this.reflector.getAllAndOverride(what, [context.getHandler(), context.getClass()]),
    );
  }
}

function assertScope({ scopes }: Caller, method: string): void {
  const scope = method === 'GET' || method === 'HEAD' ? 'read' : 'write';
  if (scopes.includes(scope)) return;
  throw new Problem(403, 'scope_missing', `This key has not the scope "${scope}".`, {
    extensions: { scope },
  });
}
