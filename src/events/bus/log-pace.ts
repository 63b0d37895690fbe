import type { Wakeable } from '../../platform/wakeable.js';
import type { LogPage } from '../log/event-log.js';

/** Signals wake a reader of the log; this is what it falls back on when one is lost. */
const pollMs = 500;
/** Committed rows lie above the horizon: the transaction below them ends within milliseconds as a rule. */
const unsettledMs = 1;
/** But where somebody keeps a transaction open, reading the same rows a thousand times a second helps nobody. */
const longestUnsettledMs = 50;

/** How long a reader of the log waits before it reads again. */
export class LogPace {
  private unsettled = unsettledMs;

  constructor(
    private readonly waker: Wakeable,
    private readonly mostMs: number,
  ) {}

  async afterPage({ events, more }: LogPage<unknown>): Promise<void> {
    if (events.length > 0 || !more) this.unsettled = unsettledMs;
    if (!more) return this.waker.wait(Math.min(pollMs, this.mostMs));
    if (events.length > 0) return;
    await this.waker.pause(this.unsettled);
    this.unsettled = Math.min(this.unsettled * 1.25, longestUnsettledMs);
  }
}
