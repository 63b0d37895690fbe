import type { DueDelivery, Target } from './delivery.js';

/** How many webhooks one endpoint gets at once. */
const concurrency = 100;

/**
 * The way to one endpoint: a bounded window of its due deliveries, in the memory of the one process that owns its
 * shard. Knows what is due and what is under way; reading, sending and recording are the deliverer's.
 */
export class Lane {
  /** The highest number read; every pending delivery up to it is in the window or under way. */
  readThrough = '0';
  /** There may be pending deliveries beyond `readThrough`. */
  mayHavePending = true;
  /** When the earliest known retry is due, on this process's monotonic clock. */
  retryDueAt = 0;
  private queue: DueDelivery[] = [];
  /** Everything read and not settled, so that no read brings it again. */
  private readonly open = new Set<string>();
  private sending = 0;
  private paused = false;
  private finishing?: Promise<void>;
  private onNothingUnderWay?: () => void;

  constructor(
    public target: Target,
    /** Results are recorded under it; once the shard has changed hands they are void. */
    readonly epoch: string,
  ) {}

  get queued(): number {
    return this.queue.length;
  }

  /** Read, and neither waiting in the window nor settled. */
  get underWay(): number {
    return this.open.size - this.queue.length;
  }

  get isIdle(): boolean {
    const nothingToRead = !this.mayHavePending && this.retryDueAt === Infinity;
    return this.open.size === 0 && (this.paused || nothingToRead);
  }

  /** Reads are worth their while once half the window is empty. */
  wantsPending(window: number): boolean {
    return this.hasRoom(window) && this.mayHavePending;
  }

  /** First attempts come first: retries enter only what pending deliveries leave free. */
  wantsRetries(window: number, now: number): boolean {
    return this.hasRoom(window) && this.retryDueAt <= now;
  }

  /** Milliseconds until a read is worth its while; Infinity while only a signal can change that. */
  readsIn(window: number, now: number): number {
    if (!this.hasRoom(window)) return Infinity;
    return this.mayHavePending ? 0 : Math.max(0, this.retryDueAt - now);
  }

  private hasRoom(window: number): boolean {
    return !this.paused && this.queue.length <= window / 2;
  }

  /**
   * What is in the window or under way at this moment. A read compares with what was open before it began: what
   * is settled while it runs may still stand in its answer as it was.
   */
  opened(): ReadonlySet<string> {
    return new Set(this.open);
  }

  add(delivery: DueDelivery): void {
    this.open.add(delivery.id);
    this.queue.push(delivery);
  }

  /** The next delivery, if the endpoint may have another one now. */
  next(): DueDelivery | undefined {
    if (this.paused || this.sending >= concurrency) return undefined;
    const delivery = this.queue.shift();
    if (delivery) this.sending++;
    return delivery;
  }

  sent(): void {
    this.sending--;
  }

  settled(deliveryId: string): void {
    this.open.delete(deliveryId);
    if (this.underWay === 0) this.onNothingUnderWay?.();
  }

  /** A retry is due in `ms`. */
  retryIn(ms: number, now: number): void {
    this.retryDueAt = Math.min(this.retryDueAt, now + Math.max(0, ms));
  }

  /** Something may have become due: look again. */
  look(now: number): void {
    this.mayHavePending = true;
    this.retryIn(0, now);
  }

  /** Sends no more and forgets its window; what is under way goes on. */
  pause(): void {
    this.paused = true;
    for (const { id } of this.queue) this.open.delete(id);
    this.queue = [];
    this.readThrough = '0';
  }

  resume(target: Target, now: number): void {
    this.target = target;
    if (!this.paused || this.finishing) return;
    this.paused = false;
    this.look(now);
  }

  /** Pauses for good, and resolves when nothing is under way any more. */
  finish(): Promise<void> {
    this.pause();
    this.finishing ??= new Promise((resolve) => {
      this.onNothingUnderWay = resolve;
      if (this.underWay === 0) resolve();
    });
    return this.finishing;
  }
}
