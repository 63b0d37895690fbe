import type { Logger } from '../../../platform/logger.js';

const firstMs = 250;
const longestMs = 4000;

/** What goes wrong with a connection to the brokers, one time after the other: how loud to say it, how long to pause. */
export class Failures {
  private inARow = 0;
  private isSaid = false;

  constructor(
    private readonly logger: Logger,
    private readonly fields: object,
  ) {}

  /**
   * Says it once as a warning until all is well again. The first failure, if the client thinks that a second try may
   * succeed, is none yet: a fresh cluster's coordinators and leaders are still being found.
   * @returns how long to pause: a quarter of a second, doubled each time up to four, in milliseconds.
   */
  add(error: unknown, message: string): number {
    const fields = { ...this.fields, kafka: nameOf(error), err: error };
    if (this.isSaid) this.logger.debug(fields, message);
    else if (this.inARow === 0 && isRetriable(error)) this.logger.info(fields, message);
    else {
      this.isSaid = true;
      this.logger.warn(fields, message);
    }
    return Math.min(firstMs * 2 ** this.inARow++, longestMs);
  }

  /** All is well. */
  clear(): void {
    if (this.isSaid) this.logger.info(this.fields, 'all is well again');
    this.isSaid = false;
    this.inARow = 0;
  }
}

interface KafkaFailure {
  name?: string;
  /** The broker's own name for it, `TOPIC_AUTHORIZATION_FAILED`. */
  type?: string;
  code?: string | number;
  cause?: unknown;
  errors?: unknown[];
  retriable?: boolean;
}

/** What failed, in one word that can be looked up: the innermost cause the client knows. */
export function nameOf(error: unknown): string {
  const { name, type, code, cause, errors } = (error ?? {}) as KafkaFailure;
  if (type) return type;
  const inner = errors?.[0] ?? cause;
  if (inner && inner !== error) return nameOf(inner);
  return typeof code === 'string' ? code : (name ?? 'Error');
}

function isRetriable(error: unknown): boolean {
  const { retriable, errors, cause } = (error ?? {}) as KafkaFailure;
  const inner = errors?.[0] ?? cause;
  return retriable === true || (inner !== undefined && inner !== error && isRetriable(inner));
}
