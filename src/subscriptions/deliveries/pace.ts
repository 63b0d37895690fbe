/** How far ahead of its time a webhook may go: timers are no finer, and a rate of thousands needs several at once. */
const toleranceMs = 5;
/** In flight at the beginning; doubles with each round of successes. */
const firstWindow = 16;

/**
 * How fast one endpoint gets its webhooks: a rate per second (GCRA: evenly spaced, so that no second holds more than
 * the rate and what the tolerance lets through), a silence that the receiver asked for, and a window of webhooks in
 * flight that grows with successes and halves where the receiver is overtaxed, as TCP's does. Times are milliseconds
 * of a monotonic clock. Pure.
 */
export class Pace {
  private nextAt = 0;
  private silentUntil = 0;
  private inFlight = 0;
  private window: number;
  /** Halved once for what was in flight together, not once for each. */
  private halvedAt = -Infinity;

  constructor(
    private ratePerSecond: number | null,
    private mostInFlight: number,
  ) {
    this.window = Math.min(firstWindow, mostInFlight);
  }

  limit(ratePerSecond: number | null, mostInFlight: number): void {
    this.ratePerSecond = ratePerSecond;
    this.mostInFlight = mostInFlight;
    this.window = Math.min(this.window, mostInFlight);
  }

  /** @param share how many each endpoint may have in flight now, since all of them share the machine */
  hasRoom(share: number): boolean {
    return this.inFlight < Math.min(this.window, share);
  }

  /** Milliseconds until the clock allows another one. */
  waitMs(now: number): number {
    const byRate = this.ratePerSecond === null ? 0 : this.nextAt - toleranceMs - now;
    return Math.max(0, byRate, this.silentUntil - now);
  }

  started(now: number): void {
    this.inFlight += 1;
    if (this.ratePerSecond === null) return;
    this.nextAt = Math.max(this.nextAt, now) + 1000 / this.ratePerSecond;
  }

  ended(): void {
    this.inFlight -= 1;
  }

  grow(): void {
    if (this.window < this.mostInFlight) this.window += 1;
  }

  /** @param startedAt when the webhook that showed it was sent */
  halve(startedAt: number, now: number): void {
    if (startedAt < this.halvedAt) return;
    this.halvedAt = now;
    this.window = Math.max(1, Math.floor(this.window / 2));
  }

  endSilence(): void {
    this.silentUntil = 0;
  }

  /** Nothing is sent for `ms`; a shorter wish does not undo a longer one. */
  silence(ms: number, now: number): void {
    this.silentUntil = Math.max(this.silentUntil, now + ms);
  }
}
