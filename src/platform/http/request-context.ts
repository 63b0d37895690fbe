import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { bearerOf, type Credential } from '../access/bearer.js';
import type { Caller } from '../access/caller.js';
import { invalidParameter, Problem } from './problem.js';

declare module 'fastify' {
  interface FastifyRequest {
    caller?: Caller;
  }
}

const longestKey = 255;
/** RFC 9110, section 8.8.3; a weak one is well-formed and never matches. */
const entityTag = /^(\*|(W\/)?"[\x21\x23-\x7e]*")$/;

/** What a handler needs to know of its request besides parameters and body. */
export class RequestContext {
  constructor(readonly request: FastifyRequest) {}

  get caller(): Caller {
    return this.request.caller!;
  }

  /** What the caller was let in by. */
  get credential(): Credential {
    return bearerOf(this.authorization)!;
  }

  /** For who waits so long that the caller must be asked for again. */
  get authorization(): string | undefined {
    return this.header('authorization');
  }

  /** Cause of the events this request writes; the request id correlates them. */
  get cause(): {
    actor: string;
    correlationId: string;
    traceparent?: string;
    onBehalfOf?: string;
  } {
    const traceparent = this.header('traceparent');
    const wellFormed =
      traceparent && /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/.test(traceparent);
    return {
      actor: this.caller.actor,
      correlationId: this.request.id,
      ...(wellFormed && { traceparent: traceparent.slice(0, 55) }),
      ...(this.caller.onBehalfOf && { onBehalfOf: this.caller.onBehalfOf }),
    };
  }

  /** Method and path: idempotency keys hold for one route of one identity. */
  get route(): string {
    return `${this.request.method} ${this.request.url.split('?')[0]}`;
  }

  get body(): unknown {
    return this.request.body;
  }

  /** @throws Problem 422 for a key that is empty, too long or not printable. */
  get idempotencyKey(): string | undefined {
    if (this.request.method !== 'POST') return undefined;
    const key = this.header('idempotency-key');
    if (key !== undefined && (key.length > longestKey || !/^[\x20-\x7e]+$/.test(key))) {
      throw invalidParameter(
        'Idempotency-Key',
        'malformed_key',
        `The Idempotency-Key must be 1 to ${longestKey} printable ASCII characters.`,
      );
    }
    return key;
  }

  /**
   * Holds a change to the version its author has read (RFC 9110, section 13.1.1).
   * @throws Problem 428 without If-Match, 400 for one that is no entity tag, 412 when the resource has changed since.
   */
  requireMatch(resource: { version: number }): void {
    if (this.header('if-match') === undefined) {
      throw new Problem(
        428,
        'if_match_required',
        'Send If-Match with the ETag of the resource as you read it, so that no change of others is overwritten.',
      );
    }
    this.matchIfGiven(resource);
  }

  /** As `requireMatch`, where the header is optional (actions). */
  matchIfGiven({ version }: { version: number }): void {
    const header = this.header('if-match');
    if (header === undefined) return;
    const tags = header.split(',').map((tag) => tag.trim());
    if (!tags.every((tag) => entityTag.test(tag))) {
      throw new Problem(
        400,
        'malformed_if_match',
        'If-Match takes an ETag with its quotation marks, as the resource came with it, such as "3".',
      );
    }
    if (!tags.includes('*') && !tags.includes(`"${version}"`)) {
      throw new Problem(
        412,
        'stale',
        'The resource has changed since you read it. Read it again and decide anew.',
      );
    }
  }

  private header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(',') : value;
  }
}

/** Parameter decorator that gives a handler its RequestContext. */
export const Context = createParamDecorator(
  (_: unknown, context: ExecutionContext) =>
    new RequestContext(context.switchToHttp().getRequest<FastifyRequest>()),
);
