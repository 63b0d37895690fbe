import { Injectable, type CanActivate, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Problem, tooMany } from '../http/problem.js';
import { reaches, type Caller } from './caller.js';
import { Callers } from './callers.js';
import { onBehalfOfHeader, readOnBehalfOf } from './on-behalf-of.js';
import { unknownPractice } from './unknown-practice.js';

const open = 'open';
const openToApplications = 'openToApplications';
const openToPartners = 'openToPartners';
const needsKey = 'needsKey';
const withinReach = 'withinReach';
const anyScope = 'anyScope';

/** For what anybody may ask: health and metrics. */
export const OpenToAll = () => SetMetadata(open, true);

/** For what applications may ask as well as the operator, about the practices they reach and what they own. */
export const OpenToApplications = () => SetMetadata(openToApplications, true);

/** For what partners may ask, about what they are granted and what they own. */
export const OpenToPartners = () => SetMetadata(openToPartners, true);

/** For what gives out keys or tokens: a token, which is good for minutes, must not make what lasts longer. */
export const NeedsKey = () => SetMetadata(needsKey, true);

/** For what needs neither scope, because it does nothing for itself. */
export const AnyScope = () => SetMetadata(anyScope, true);

/**
 * For what shows only what the caller's practices let it see. Besides routes that name a practice, these alone are open
 * to a token of fewer practices than its key.
 */
export const WithinReach = () => SetMetadata(withinReach, true);

/**
 * Lets nobody in without a key, and applications and partners only where a route says so: a new route is closed until
 * then. A practice that a caller does not reach is not there, which is decided before anything of it is read.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly callers: Callers,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { authorization } = request.headers;
    const { suspectFor } = request;
    const caller = await this.callers.of(authorization, suspectFor !== undefined);
    if (!caller) {
      request.openedNothing = authorization !== undefined;
      if (this.says(open, context)) return true;
      if (authorization !== undefined && suspectFor !== undefined) {
        throw tooMany('Too many keys that open nothing came from this address.', suspectFor);
      }
      throw unauthorized();
    }
    const onBehalfOf = readOnBehalfOf(request.headers[onBehalfOfHeader]);
    request.caller = onBehalfOf ? { ...caller, onBehalfOf } : caller;
    if (this.says(open, context)) return true;
    this.assertOpenTo(caller, context);
    if (!this.says(anyScope, context)) assertScope(caller, request.method);
    const { practiceId } = request.params as { practiceId?: string };
    this.assertKey(caller, practiceId, context);
    if (practiceId !== undefined && !reaches(caller, practiceId.toLowerCase())) {
      throw unknownPractice(caller);
    }
    return true;
  }

  private assertOpenTo({ kind }: Caller, context: ExecutionContext): void {
    if (kind === 'operator') return;
    const isApplications = this.says(openToApplications, context);
    if (kind === 'partner' ? this.says(openToPartners, context) : isApplications) return;
    if (kind === 'partner' && isApplications) {
      throw new Problem(
        403,
        'not_for_partners',
        'Partners may read what they are granted, and no more.',
      );
    }
    throw new Problem(403, 'operator_only', 'Only the operator of the hub may do this.');
  }

  /** Keeps a token from what takes its key. */
  private assertKey(
    { token }: Caller,
    practiceId: string | undefined,
    context: ExecutionContext,
  ): void {
    if (!token) return;
    const isOut = token === 'narrowed' && !practiceId && !this.says(withinReach, context);
    if (!isOut && !this.says(needsKey, context)) return;
    throw new Problem(403, 'key_required', 'A token may not do this. Use the key itself.');
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

/** For who sends no key, or one that opens nothing now. */
export function unauthorized(): Problem {
  return new Problem(
    401,
    'unauthorized',
    'Send a valid key as "Authorization: Bearer hub_live_…". The operator gives keys out.',
  );
}
