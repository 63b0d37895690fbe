import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { map, type Observable } from 'rxjs';
import { Settings } from '../settings.js';

interface Versioned {
  version: number;
}

/** What a command answers. Kept under its idempotency key, except `once`. */
export class Answer {
  private constructor(
    readonly status: number,
    readonly body: object | null,
    /** Path of what was made, from `/v1`. */
    readonly location: string | null = null,
    /** Shown in this answer only and never kept: a secret. */
    readonly once: object | null = null,
    private readonly how: 'done' | 'replayed' | 'unchanged' = 'done',
  ) {}

  /** It was given before, under the same idempotency key. */
  get replayed(): boolean {
    return this.how === 'replayed';
  }

  /** Things were as they were asked to be: there is nothing to put on record. */
  get unchanged(): boolean {
    return this.how === 'unchanged';
  }

  static ok(body: object, once: object | null = null): Answer {
    return new Answer(200, body, null, once);
  }

  /** @param location null for what has no address of its own */
  static created(location: string | null, body: object, once: object | null = null): Answer {
    return new Answer(201, body, location, once);
  }

  /** @param changed whether anything was otherwise before */
  static noContent(changed = true): Answer {
    return new Answer(204, null, null, null, changed ? 'done' : 'unchanged');
  }

  static kept(status: number, body: object | null, location: string | null): Answer {
    return new Answer(status, body, location, null, 'replayed');
  }
}

/** The validator of a resource: its version, as a strong entity tag (RFC 9110, section 8.8.3). */
export function entityTag({ version }: Versioned): string {
  return `"${version}"`;
}

/** Turns answers into status, headers and body, and gives every versioned resource its ETag. */
@Injectable()
export class AnswerInterceptor implements NestInterceptor {
  constructor(private readonly settings: Settings) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(map((result) => this.write(reply, result)));
  }

  private write(reply: FastifyReply, result: unknown): unknown {
    const answer = result instanceof Answer ? result : undefined;
    const body = answer ? answer.body : result;
    if (isVersioned(body)) void reply.header('etag', entityTag(body));
    if (!answer) return body;
    void reply.status(answer.status);
    if (answer.location) {
      void reply.header('location', `${this.settings.baseUrl}${answer.location}`);
    }
    if (answer.replayed) void reply.header('idempotency-replayed', 'true');
    return answer.body === null ? undefined : { ...answer.body, ...answer.once };
  }
}

function isVersioned(body: unknown): body is Versioned {
  return typeof (body as Versioned | null)?.version === 'number';
}
