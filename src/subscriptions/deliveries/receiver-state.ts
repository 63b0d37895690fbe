import { CircuitBreaker, type BreakerLimits } from './circuit-breaker.js';
import type { AttemptResult, Target } from './delivery.js';
import { Pace } from './pace.js';

/** A change in how an endpoint fares, for those who keep and tell it. */
export type HealthChange = 'failed' | 'well' | 'opened' | 'recovered' | 'gone' | 'throttled';

/** What the hub remembers of a webhook under way. */
export interface Sent {
  startedAt: number;
  probe: boolean;
}

/**
 * How the receiver of an endpoint fares, and what may be asked of it for that: its pace, its circuit and the silence that
 * it wished for. Times are milliseconds of this process's monotonic clock.
 */
export class ReceiverState {
  readonly breaker: CircuitBreaker;
  /** It has failed since its last success. */
  failing: boolean;
  lastError: string | null = null;
  throttledUntil: number;
  private readonly pace: Pace;

  constructor(target: Target, limits: BreakerLimits, now: number) {
    this.failing = target.failing;
    this.breaker = new CircuitBreaker(limits, target.circuit, now);
    this.pace = new Pace(target.ratePerSecond, target.mostInFlight);
    this.pace.silence(target.throttledForMs, now);
    this.throttledUntil = now + target.throttledForMs;
  }

  /** @param share how many may be under way beside those of other endpoints */
  hasRoom(share: number): boolean {
    return this.pace.hasRoom(share);
  }

  /** Milliseconds until the clock lets another one go. */
  sendWaitMs(now: number): number {
    return Math.max(this.breaker.waitMs(now), this.pace.waitMs(now));
  }

  /** Milliseconds until it pays to read: while nothing may be sent for long, nothing need be in memory. */
  readWaitMs(now: number): number {
    return Math.max(this.breaker.waitMs(now), this.throttledUntil - now, 0);
  }

  /** It gets nothing now, whatever its pace. */
  isClosed(now: number): boolean {
    return this.breaker.isOpen || this.throttledUntil > now;
  }

  started(now: number): Sent {
    this.pace.started(now);
    return { startedAt: now, probe: this.breaker.started() };
  }

  /** @returns what the answer changes for the endpoint, if anything */
  answered(
    { startedAt, probe }: Sent,
    { standing, outcome, statusCode }: AttemptResult,
    now: number,
  ): HealthChange[] {
    const changes: HealthChange[] = [];
    this.pace.ended();
    if (standing.isSlow || standing.isUp === false) this.pace.halve(startedAt, now);
    if (standing.isUp && !standing.isSlow) this.pace.grow();
    if (standing.silenceSeconds !== undefined) {
      this.pace.silence(standing.silenceSeconds * 1000, now);
      this.throttledUntil = Math.max(this.throttledUntil, now + standing.silenceSeconds * 1000);
      changes.push('throttled');
    }
    if (standing.isUp) {
      if (this.breaker.succeeded()) changes.push('recovered');
      else if (this.failing) changes.push('well');
      this.failing = false;
    } else if (standing.isUp === false) {
      this.failing = true;
      this.lastError = statusCode === null ? outcome : `${outcome} ${statusCode}`;
      changes.push(this.breaker.failed(probe, now) ? 'opened' : 'failed');
    } else {
      this.breaker.undecided(probe);
    }
    if (standing.isGone) changes.push('gone');
    return changes;
  }

  limit({ ratePerSecond, mostInFlight }: Target): void {
    this.pace.limit(ratePerSecond, mostInFlight);
  }

  /** Somebody wants it tried: nothing is kept of its health. */
  forget(): void {
    this.breaker.succeeded();
    this.failing = false;
    this.pace.endSilence();
    this.throttledUntil = 0;
  }
}
