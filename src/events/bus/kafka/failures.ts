const firstMs = 250;
const longestMs = 4000;

/** Pauses that double from a quarter of a second to four. */
export class Backoff {
  private ms = firstMs;

  next(): number {
    const now = this.ms;
    this.ms = Math.min(this.ms * 2, longestMs);
    return now;
  }

  reset(): void {
    this.ms = firstMs;
  }
}

interface KafkaFailure {
  name?: string;
  /** The broker's own name for it, `TOPIC_AUTHORIZATION_FAILED`. */
  type?: string;
  code?: string | number;
  cause?: unknown;
  errors?: unknown[];
}

/** What failed, in one word that can be looked up: the innermost cause the client knows. */
export function nameOf(error: unknown): string {
  const { name, type, code, cause, errors } = (error ?? {}) as KafkaFailure;
  if (type) return type;
  const inner = errors?.[0] ?? cause;
  if (inner && inner !== error) return nameOf(inner);
  return typeof code === 'string' ? code : (name ?? 'Error');
}
