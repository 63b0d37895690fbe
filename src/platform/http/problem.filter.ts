import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isTransient } from '../../database/errors.js';
import { MasterKeyMissing } from '../../sealing/master-keys.js';
import { Logger } from '../logger.js';
import { Problem } from './problem.js';

const lockedCode = 'data_locked';

/** Turns whatever a request throws into problem details; what is not meant for the caller stays in the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = problemOf(error);
    // A missing master key is told once by whoever looks for it, not for each request that needs it.
    if (problem.status >= 500 && problem.code !== lockedCode) {
      this.logger.error(
        { requestId: request.id, code: problem.code, err: error },
        'request failed',
      );
    }
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
    const again = problem.extras.retryAfterSeconds ?? (problem.status === 503 ? 1 : undefined);
    if (again !== undefined) void reply.header('retry-after', String(again));
    writeProblem(reply, problem, request.id);
  }
}

export function writeProblem(reply: FastifyReply, problem: Problem, requestId: string): void {
  void reply
    .status(problem.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(JSON.stringify(problem.document(requestId)));
}

/** Codes of the framework's own refusals, before a handler has seen the request. */
const frameworkCodes: Record<number, [code: string, detail: string]> = {
  400: ['malformed_request', 'The request cannot be read. The body must be valid JSON in UTF-8.'],
  403: ['forbidden', 'This address is refused.'],
  404: ['not_found', 'There is nothing at this address. GET /openapi.json lists the routes.'],
  405: ['method_not_allowed', 'This address does not take that method.'],
  413: ['body_too_large', 'The body is larger than 256 KB.'],
  414: ['uri_too_long', 'The address is too long.'],
  415: ['unsupported_media_type', 'Send the body as application/json.'],
};

/** The router's, for a path with a `%` that no two hexadecimal digits of UTF-8 follow. */
const badPath = 'FST_ERR_BAD_URL';

export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if ((error as { code?: string } | null)?.code === badPath) {
    return new Problem(
      400,
      'malformed_request',
      'The path cannot be decoded. A % in it must begin percent-encoded UTF-8, and stands for itself as %25.',
    );
  }
  const status =
    error instanceof HttpException
      ? error.getStatus()
      : ((error as { statusCode?: number } | null)?.statusCode ?? 500);
  if (status >= 400 && status < 500) {
    const [code, detail] = frameworkCodes[status] ?? frameworkCodes[400]!;
    return new Problem(status, code, detail);
  }
  if (isTransient(error)) {
    return new Problem(
      503,
      'temporarily_unavailable',
      'The database cannot answer right now and nothing was changed as far as it knows. Try again; with an Idempotency-Key nothing happens twice.',
    );
  }
  if (error instanceof MasterKeyMissing) {
    return new Problem(
      503,
      lockedCode,
      'What this needs is encrypted under a master key that the hub was not given. Nothing is lost or skipped: ask again once the hub’s operator has given it.',
      { retryAfterSeconds: 5 },
    );
  }
  return new Problem(
    500,
    'internal_error',
    'The hub made a mistake. The request id finds it in the log.',
  );
}
