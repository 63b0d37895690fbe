export interface BreakerLimits {
  /** Failures in a row, without any success between them, that open the circuit. */
  threshold: number;
  firstPauseMs: number;
  longestPauseMs: number;
}

/** What the database remembers of a circuit, so that a take-over does not begin to knock anew. */
export interface StoredCircuit {
  /** Until the next probe; undefined where the circuit is closed. */
  openForMs?: number;
  probesFailed: number;
}

/**
 * Keeps a dead endpoint from burning its backlog's attempts: closed, all may go; open, none; then one delivery tries
 * (half open), and its result closes the circuit or opens it for twice as long. Times are milliseconds of a monotonic
 * clock. Pure.
 */
export class CircuitBreaker {
  private inARow = 0;
  private openUntil?: number;
  private failedProbes: number;
  private probing = false;
  /** Another probe was asked for while one was under way. */
  private another = false;

  constructor(
    private readonly limits: BreakerLimits,
    stored: StoredCircuit,
    now: number,
  ) {
    this.failedProbes = stored.probesFailed;
    if (stored.openForMs !== undefined) {
      this.openUntil = now + Math.min(stored.openForMs, limits.longestPauseMs);
    }
  }

  get isOpen(): boolean {
    return this.openUntil !== undefined;
  }

  get probesFailed(): number {
    return this.failedProbes;
  }

  /** Milliseconds until something may be sent: 0 at once, Infinity while a probe is under way. */
  waitMs(now: number): number {
    if (this.openUntil === undefined) return 0;
    return this.probing ? Infinity : Math.max(0, this.openUntil - now);
  }

  /** An open circuit lets one try at once instead of after its pause, or after the one under way. @returns whether at once */
  probeNow(now: number): boolean {
    this.another ||= this.probing;
    if (this.openUntil === undefined || this.probing || this.openUntil <= now) return false;
    this.openUntil = now;
    return true;
  }

  /** Call it for each delivery that is sent. @returns whether this one is the probe. */
  started(): boolean {
    if (!this.isOpen) return false;
    this.probing = true;
    return true;
  }

  /** Also where a delivery sent before the circuit opened comes back well. @returns whether that closed it. */
  succeeded(): boolean {
    const wasOpen = this.isOpen;
    this.inARow = 0;
    this.failedProbes = 0;
    this.openUntil = undefined;
    this.probing = false;
    this.another = false;
    return wasOpen;
  }

  /** @returns whether that opened the circuit, which was closed. */
  failed(wasProbe: boolean, now: number): boolean {
    this.inARow += 1;
    if (this.isOpen) {
      // Those sent before it opened say nothing new.
      if (!wasProbe) return false;
      this.probing = false;
      this.failedProbes += 1;
      this.openUntil = this.another ? now : now + this.pauseMs();
      this.another = false;
      return false;
    }
    if (this.inARow < this.limits.threshold) return false;
    this.openUntil = now + this.pauseMs();
    return true;
  }

  /** The result says nothing about the endpoint. */
  undecided(wasProbe: boolean): void {
    if (wasProbe) this.probing = false;
  }

  private pauseMs(): number {
    const { firstPauseMs, longestPauseMs } = this.limits;
    return Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.failedProbes, 30));
  }
}
