import type { BreakerLimits } from './circuit-breaker.js';
import {
  isOutdated,
  reachesLess,
  type AttemptResult,
  type DueDelivery,
  type Target,
} from './delivery.js';
import { DueQueue } from './due-queue.js';
import { KeyOrder } from './key-order.js';
import { ReceiverState, type HealthChange, type Sent } from './receiver-state.js';

/** What a lane holds that may not send: enough for the probe. */
const waitingWindow = 2;

/** A delivery that fan-out has just made. */
export type NewDelivery = Pick<DueDelivery, 'id' | 'sequence' | 'event'>;

/**
 * The way to one endpoint: a bounded window of its due deliveries, in the memory of the one process that owns its
 * shard, and everything that decides which of them may go when. Reading, sending and recording are the deliverer's.
 * Times are milliseconds of this process's monotonic clock.
 */
export class Lane {
  /** Every pending delivery up to this number is in the window, under way, or waits in a table. */
  readThrough: number;
  /** How many it may have in flight beside the others. */
  share = Infinity;
  /** Its shard has gone to another, who knows better. */
  isVoid = false;
  /** Followers in the table may have nobody who lets them go on. */
  seeksOrphans = false;
  /** It may hear less than before: what waits in tables has not been looked at since. */
  hasLost = false;
  /** They were looked for up to this key; empty: from the first one. */
  orphansAfter = '';
  /** The next of the stream cannot be opened: it is read again then. */
  private streamFrom = 0;
  /** As for followers in the table. */
  private orphansFrom = 0;
  /** There may be pending deliveries beyond `readThrough`. */
  mayHavePending = true;
  /** When the earliest known retry is due. */
  retryDueAt = 0;
  /** The keys of the endpoint, or what it may hear of, change then. */
  refreshAt = Infinity;
  /** As it was last written. */
  storedMark: number;
  readonly receiver: ReceiverState;
  readonly order = new KeyOrder();
  /** What the table has been asked and told about this lane, one after the other. */
  turn: Promise<unknown> = Promise.resolve();
  timer?: NodeJS.Timeout;
  /** Changes whenever the window is forgotten: a page asked for before then must not be taken in. */
  generation = 0;
  private readonly queue = new DueQueue();
  /** Numbers of the stream that are read and not settled. */
  private readonly open = new Map<string, number>();
  /** Read and not settled, of other origin. */
  private readonly openApart = new Set<string>();
  private readonly underWay = new Map<string, Sent>();
  private paused = false;
  private finishing?: Promise<void>;
  private onNothingUnderWay?: () => void;

  constructor(
    public target: Target,
    /** Results are recorded under it; once the shard has changed hands they are void. */
    readonly epoch: string,
    limits: BreakerLimits,
    now: number,
  ) {
    this.readThrough = target.attemptedThrough;
    this.storedMark = target.attemptedThrough;
    this.seeksOrphans = target.hasFollowers;
    this.receiver = new ReceiverState(target, limits, now);
    this.refreshAt = refreshOf(target, now);
  }

  get queued(): number {
    const waiting = this.target.ordering === 'none' ? 0 : this.order.size;
    return this.queue.size + waiting;
  }

  /** It has something to send, or on its way, or may find something now. */
  isBusy(now: number): boolean {
    const mayFind = this.mayHavePending && this.streamFrom <= now;
    return mayFind || this.underWay.size > 0 || this.queue.size > 0;
  }

  get isFinishing(): boolean {
    return this.finishing !== undefined;
  }

  get isIdle(): boolean {
    const nothingToRead = !this.mayHavePending && this.retryDueAt === Infinity;
    const nothingOpen = this.open.size + this.openApart.size + this.underWay.size === 0;
    return nothingOpen && (this.paused || nothingToRead) && this.storedMark >= this.mark;
  }

  /** Every number of the stream up to this one has been attempted, or waits in a table. */
  get mark(): number {
    let lowest = this.readThrough + 1;
    for (const sequence of this.open.values()) if (sequence < lowest) lowest = sequence;
    return lowest - 1;
  }

  /** How much of a window this lane may use now. */
  sizeOf(window: number): number {
    return this.receiver.breaker.isOpen ? waitingWindow : window;
  }

  /** Reads are worth their while once half the window is empty. */
  wantsPending(window: number, now: number): boolean {
    return this.mayHavePending && this.streamFrom <= now && this.roomIn(window, now) === 0;
  }

  /** First attempts come first: retries enter only what pending deliveries leave free. */
  wantsRetries(window: number, now: number): boolean {
    return this.retryDueAt <= now && this.roomIn(window, now) === 0;
  }

  /** Milliseconds until a read is worth its while; Infinity while only a signal or a result can change that. */
  readsIn(window: number, now: number): number {
    const from = this.mayHavePending ? Math.min(this.streamFrom, this.retryDueAt) : this.retryDueAt;
    const due = Math.max(0, from - now);
    return Math.max(due, this.roomIn(window, now));
  }

  /** How many followers that nobody holds up may be let go on now; 0 while nothing may be sent. */
  orphansWanted(window: number, now: number): number {
    if (!this.seeksOrphans || this.orphansFrom > now || this.roomIn(window, now) > 0) return 0;
    return this.sizeOf(window) - this.queued;
  }

  /** Milliseconds until there is room: while it may not send it need not read either. */
  private roomIn(window: number, now: number): number {
    if (this.paused || this.queued > this.sizeOf(window) / 2) return Infinity;
    return this.receiver.readWaitMs(now);
  }

  /** What of it is in memory: a page that was asked for while this was open may bring it again. */
  holds(deliveryId: string): boolean {
    return (
      this.open.has(deliveryId) || this.openApart.has(deliveryId) || this.underWay.has(deliveryId)
    );
  }

  /** Retries in memory still stand first in the table and must not fill the page. */
  get openRetries(): number {
    return this.openApart.size;
  }

  /** Retries in memory, and all that is under way: what a page may bring again as it was before. */
  idsInHand(): Set<string> {
    return new Set([...this.openApart, ...this.underWay.keys()]);
  }

  /** Read: it is in memory from now on. */
  opened(delivery: DueDelivery): void {
    if (delivery.from === 'stream') this.open.set(delivery.id, delivery.sequence);
    else this.openApart.add(delivery.id);
  }

  /**
   * Deliveries made just now, if they are the very next ones of the stream and there is room: then no read is needed.
   * Those of ordered endpoints are looked up, since the table knows what holds them up.
   * @param version of `endpoint_set_version` under which they were made: a lane that has not heard of it does not know
   *   what they may be sent as. Asked only where something can be lost; of all it cost fairness a factor of 1.7 to 5.
   */
  take(deliveries: readonly NewDelivery[], window: number, version: string, now: number): boolean {
    const isNext = deliveries.every(({ sequence }, i) => sequence === this.readThrough + i + 1);
    const isFree = !this.paused && !this.receiver.breaker.isOpen && this.target.ordering === 'none';
    if (isOutdated(this.target, version, now)) {
      this.hold(now);
      return false;
    }
    if (!isNext || !isFree || this.queued + deliveries.length > window) return false;
    for (const { id, sequence, event } of deliveries) {
      const rest = { attempts: 0, orderKey: null, replayId: null };
      const delivery: DueDelivery = { id, from: 'stream', sequence, event, ...rest };
      this.opened(delivery);
      this.enqueue(delivery);
      this.readThrough = sequence;
    }
    return true;
  }

  // What it holds may be what it must not send any more: it goes on when what it may hear of has been read again.
  private hold(now: number): void {
    this.target = { ...this.target, access: { ...this.target.access, until: now } };
    this.refreshAt = Math.min(this.refreshAt, now);
  }

  /** It may go as soon as the endpoint may have another one. */
  enqueue(delivery: DueDelivery): void {
    this.queue.push(delivery);
  }

  /** The next delivery, if the endpoint may have another one now. */
  next(now: number): DueDelivery | undefined {
    if (this.paused || !this.receiver.hasRoom(this.share)) return undefined;
    if (this.target.access.until <= now || this.receiver.sendWaitMs(now) > 0) return undefined;
    const delivery = this.queue.next();
    if (!delivery) return undefined;
    this.underWay.set(delivery.id, this.receiver.started(now));
    return delivery;
  }

  /** Milliseconds until the clock lets the next one go; Infinity where something else has to happen first. */
  sendsIn(now: number): number {
    if (this.paused || this.queue.size === 0 || !this.receiver.hasRoom(this.share)) return Infinity;
    return this.receiver.sendWaitMs(now);
  }

  /** The answer is there, though not recorded yet. @returns what that changes for the endpoint, if anything */
  answered(result: AttemptResult, now: number): HealthChange[] {
    const sent = this.underWay.get(result.delivery.id);
    if (!sent) return [];
    const changes = this.receiver.answered(sent, result, now);
    if (this.receiver.isClosed(now)) this.forgetWindow();
    return changes;
  }

  /** Its result is in the table, or void. */
  settled(deliveryId: string): void {
    this.open.delete(deliveryId);
    this.openApart.delete(deliveryId);
    this.underWay.delete(deliveryId);
    if (this.underWay.size === 0) this.onNothingUnderWay?.();
  }

  /** It waits in a table now, not here. */
  putAside(deliveryId: string): void {
    this.open.delete(deliveryId);
    this.openApart.delete(deliveryId);
  }

  /** The next of the stream is locked: there is no use in reading it before. */
  stopStream(until: number): void {
    this.mayHavePending = true;
    this.streamFrom = until;
  }

  /** A follower is locked: others of its key wait with it in the table, to be looked for then. */
  stopOrphans(until: number): void {
    this.seeksOrphans = true;
    this.orphansFrom = until;
  }

  /** There are keys that were not looked at yet, whatever was locked among those before. */
  goOnWithOrphans(): void {
    this.seeksOrphans = true;
    this.orphansFrom = 0;
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

  /**
   * Heeds that somebody has something resent, once for each time: where the circuit is open, that is its probe. What
   * the receiver asked for (Retry-After) holds all the same.
   */
  heedProbe(probeAskedAt: string | null, now: number): void {
    if (probeAskedAt === null || probeAskedAt === this.target.probeAskedAt) return;
    this.target = { ...this.target, probeAskedAt };
    if (!this.receiver.breaker.probeNow(now)) return;
    // What was resent stands first among the retries.
    this.queue.retryNext();
    this.look(now);
  }

  /** Runs `work` after all that was asked of the tables for this lane before. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => undefined);
    return result;
  }

  /** Sends no more and forgets its window; what is under way goes on. */
  pause(): void {
    this.paused = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.forgetWindow();
  }

  resume(target: Target, now: number): void {
    const isEnabledAnew = target.enabledAt !== this.target.enabledAt;
    const hasLost = reachesLess(target, this.target);
    this.heedProbe(target.probeAskedAt, now);
    this.target = target;
    // What it may not hear any more is withheld where it is read again, or is looked for where it waits.
    if (hasLost) this.forgetWindow();
    this.hasLost ||= hasLost;
    this.refreshAt = refreshOf(target, now);
    this.receiver.limit(target);
    if (this.finishing) return;
    // Whoever enabled it, also without having disabled it, wants it tried.
    if (isEnabledAnew) {
      this.receiver.forget();
      this.look(now);
    }
    if (!this.paused) return;
    this.paused = false;
    this.look(now);
  }

  /** Pauses for good, and resolves when nothing is under way any more. */
  finish(): Promise<void> {
    this.pause();
    this.finishing ??= new Promise<void>((resolve) => {
      this.onNothingUnderWay = resolve;
      if (this.underWay.size === 0) resolve();
    }).then(() => this.turn as Promise<void>);
    return this.finishing;
  }

  /** What is forgotten is read again: from the first number that is neither settled nor under way. */
  forgetWindow(): void {
    const forgotten = [...this.queue.empty(), ...this.order.clear(this.underWay)];
    this.generation += 1;
    for (const { id, sequence, from } of forgotten) {
      this.putAside(id);
      if (from === 'stream') this.readThrough = Math.min(this.readThrough, sequence - 1);
    }
    this.seeksOrphans ||= forgotten.some(({ from }) => from === 'follower');
    this.mayHavePending = true;
    this.retryDueAt = 0;
  }
}

function refreshOf({ keysChangeInMs = Infinity, access }: Target, now: number): number {
  return Math.min(now + keysChangeInMs, access.until);
}
