import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Api } from './api.js';
import { stories, type Fact } from './facts.js';
import type { Random } from './random.js';

const clients = 16;

/**
 * Practice applications at work: each fact has an Idempotency-Key and is told again until a hub has accepted it, so
 * that what was accepted is known exactly.
 */
export class Load {
  accepted = 0;
  /** Facts that were told and not accepted yet. */
  open = 0;
  /** Answers that no repetition can mend: a mistake of the run's or of the hub's. */
  readonly refused: string[] = [];
  /** `type subject` of every event that the accepted facts must have brought about, and how often. */
  readonly expected = new Map<string, number>();
  private stopped = false;
  private readonly giveUp = new AbortController();
  private nextAt = 0;
  private working: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly api: Api,
    private readonly practiceIds: readonly string[],
    private readonly perSecond: number,
  ) {}

  start(random: Random): void {
    setMaxListeners(0, this.giveUp.signal);
    const randoms = Array.from({ length: clients }, () => random.branch());
    this.working = Promise.all(randoms.map((own) => this.client(own)));
  }

  /** Begins no new fact; resolves when those that are open are accepted, or `withinMs` has passed. */
  async stop(withinMs: number): Promise<void> {
    this.stopped = true;
    const timer = setTimeout(() => this.giveUp.abort(), withinMs);
    await this.working;
    clearTimeout(timer);
  }

  abort(): void {
    this.stopped = true;
    this.giveUp.abort();
  }

  private async client(random: Random): Promise<void> {
    while (!this.stopped) {
      const told = random.pick(stories)(random.pick(this.practiceIds), random);
      let step = await told.next();
      while (!step.done && !this.stopped) {
        await this.paced();
        const answer = await this.tell(step.value);
        if (!answer) break;
        step = await told.next(answer);
      }
    }
  }

  /** What could not be told while nothing answered is not made up for: the rate is a limit, not a debt. */
  private async paced(): Promise<void> {
    const now = performance.now();
    const at = Math.max(now, this.nextAt);
    this.nextAt = at + 1000 / this.perSecond;
    if (at > now) await delay(at - now);
  }

  private async tell({ path, body, says }: Fact) {
    this.open += 1;
    try {
      const { signal } = this.giveUp;
      const answer = await this.api.ask('POST', path, { body, key: randomUUID(), signal });
      this.open -= 1;
      if (answer.status >= 300) {
        this.refused.push(`POST ${path}: ${answer.status} ${answer.body?.code}`);
        return undefined;
      }
      this.accepted += 1;
      for (const name of says(answer.body)) {
        this.expected.set(name, (this.expected.get(name) ?? 0) + 1);
      }
      return answer.body as { id: string; accountId: string };
    } catch (error) {
      // Given up: it stays open, which the verdict sees.
      if (this.giveUp.signal.aborted) return undefined;
      throw error;
    }
  }
}
