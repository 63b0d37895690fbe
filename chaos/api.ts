import { setTimeout as delay } from 'node:timers/promises';
import type { Hub } from './hubs.js';

/** A frozen hub answers nothing: whoever asks gives up and asks another. */
const answerWithinMs = 5000;
const pauseMs = 50;

export interface Answer {
  status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- the answers of many routes
  body: any;
}

/** The hub's API at whichever hub is up. */
export class Api {
  /** Answers and failures that made a request be repeated, counted by what they were. */
  readonly setbacks = new Map<string, number>();
  private turn = 0;

  constructor(
    private readonly hubs: readonly Hub[],
    private readonly key: string,
  ) {}

  /**
   * Asks one hub after the other until one answers with neither 409 for a key in flight nor 5xx.
   * @throws AbortError when `signal` ends it, an Error when it is not answered in `withinMs`
   */
  async ask(
    method: string,
    path: string,
    {
      body,
      key,
      signal,
      withinMs,
    }: { body?: object; key?: string; signal?: AbortSignal; withinMs?: number } = {},
  ): Promise<Answer> {
    const deadline = withinMs === undefined ? Infinity : performance.now() + withinMs;
    for (;;) {
      signal?.throwIfAborted();
      if (performance.now() > deadline) throw new Error(`${method} ${path} was not answered`);
      const up = this.hubs.filter(({ url }) => url !== undefined);
      const hub = up[this.turn++ % Math.max(1, up.length)];
      const answer = hub && (await this.once(hub.url!, method, path, body, key));
      if (answer && !isSetback(answer)) return answer;
      await delay(pauseMs, undefined, { signal });
    }
  }

  private async once(
    url: string,
    method: string,
    path: string,
    body?: object,
    key?: string,
  ): Promise<Answer | undefined> {
    try {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.key}`,
          ...(key && { 'idempotency-key': key }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(answerWithinMs),
      });
      const text = await answer.text();
      const parsed = { status: answer.status, body: text ? JSON.parse(text) : undefined };
      if (isSetback(parsed)) this.count(`${parsed.status} ${parsed.body?.code}`);
      return parsed;
    } catch (error) {
      const { name, cause } = error as Error & { cause?: { code?: string } };
      this.count(name === 'TimeoutError' ? 'no answer in time' : (cause?.code ?? name));
      return undefined;
    }
  }

  private count(what: string): void {
    this.setbacks.set(what, (this.setbacks.get(what) ?? 0) + 1);
  }
}

function isSetback({ status, body }: Answer): boolean {
  return status >= 500 || (status === 409 && body?.code === 'idempotency_key_in_flight');
}
