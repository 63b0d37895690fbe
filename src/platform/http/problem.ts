import { STATUS_CODES } from 'node:http';

/** One offending place of a request: a JSON pointer into the body (RFC 6901) or the name of a parameter. */
export interface ProblemError {
  pointer?: string;
  parameter?: string;
  code: string;
  detail: string;
}

interface Extras {
  errors?: ProblemError[];
  /** Further members of the problem document, such as `legalActions`. */
  extensions?: Record<string, unknown>;
  /** When it pays to try again; told as `Retry-After`. */
  retryAfterSeconds?: number;
}

/**
 * An error the caller is told about, as RFC 9457 problem details. `code` is stable; `detail` says what is wrong and
 * what to do, and never repeats a patient's data.
 */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly extras: Extras = {},
  ) {
    super(code);
  }

  document(requestId: string): Record<string, unknown> {
    return {
      type: `urn:practice-event-hub:problem:${this.code}`,
      title: STATUS_CODES[this.status] ?? 'Error',
      status: this.status,
      detail: this.detail,
      code: this.code,
      requestId,
      ...(this.extras.errors && { errors: this.extras.errors }),
      ...this.extras.extensions,
    };
  }
}

/** Unknown, deleted and not yours look alike: a 404 tells nobody what exists. */
export function notFound(what: string): Problem {
  return new Problem(404, 'not_found', `There is no such ${what}.`);
}

export function conflict(
  code: string,
  detail: string,
  extensions?: Record<string, unknown>,
): Problem {
  return new Problem(409, code, detail, { extensions });
}

/** Understood, but one field of the body is wrong. */
export function invalidField(pointer: string, code: string, detail: string): Problem {
  return new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors: [{ pointer, code, detail }],
  });
}

/** Understood, but one query parameter is wrong. */
export function invalidParameter(parameter: string, code: string, detail: string): Problem {
  return new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors: [{ parameter, code, detail }],
  });
}

/** A refusal for now. */
export function tooMany(detail: string, retryAfterSeconds: number): Problem {
  return new Problem(429, 'rate_limited', `${detail} Try again in ${retryAfterSeconds} s.`, {
    retryAfterSeconds,
  });
}
