import type { Settings } from '../../platform/settings.js';
import type { BreakerLimits } from './circuit-breaker.js';
import type { Target } from './delivery.js';
import { lockedMs } from './due-page.js';
import type { EventCache } from './event-cache.js';
import { Lane } from './lane.js';
import type { ShardOwner } from './shard-owner.js';
import type { Targets } from './targets.js';

/** Due deliveries in memory, over all lanes and for one; fewer where their events are large. */
const mostQueued = 20_000;
const mostBytes = 64_000_000;
const widestWindow = 1000;
const narrowestWindow = 20;
/**
 * In flight over all lanes, if each has its share. Beyond it nothing gets faster: the connections to one host are
 * searched one by one for a free one (1,600 to one receiver: 0.15 of the raw limit, 400: see docs/benchmarks.md).
 */
const mostInFlight = 400;
const leastShare = 4;
/** Idle lanes are kept up to this number: a quiet endpoint's next event needs no look at its settings. */
const mostIdleLanes = 2000;
const breakerThreshold = 10;
const firstPauseMs = 2000;

/** The lanes of the shards that this process owns, kept in step with the endpoints' settings. */
export class Lanes {
  private readonly lanes = new Map<string, Lane>();
  private readonly limits: BreakerLimits;
  private endpointSetVersion?: string;
  private busy = 1;

  constructor(
    private readonly targets: Targets,
    private readonly owner: ShardOwner,
    private readonly events: Pick<EventCache, 'averageBytes'>,
    settings: Settings,
  ) {
    const longestPauseMs = settings.circuitPauseSeconds * 1000;
    this.limits = {
      threshold: breakerThreshold,
      firstPauseMs: Math.min(firstPauseMs, longestPauseMs),
      longestPauseMs,
    };
  }

  all(): Iterable<Lane> {
    return this.lanes.values();
  }

  get(endpointId: string): Lane | undefined {
    return this.lanes.get(endpointId);
  }

  /** Those that may be read and sent for right now. */
  held(): Lane[] {
    return [...this.lanes.values()].filter(
      (lane) => this.owner.holds(lane.target.shard) && this.isCurrent(lane),
    );
  }

  /** Whether what this lane learns still counts: its shard has not changed hands. */
  isCurrent({ target, epoch }: Lane): boolean {
    return this.owner.epochOf(target.shard) === epoch;
  }

  /** How many deliveries one lane may hold. */
  window(): number {
    const room = Math.min(mostQueued, mostBytes / this.events.averageBytes);
    const fair = Math.floor(room / this.busy);
    return Math.min(widestWindow, Math.max(narrowestWindow, fair));
  }

  /**
   * Looks after endpoints that may have something due, and after all of some shards, where any may also have been
   * changed.
   * @param access what endpoints may hear of may have changed
   */
  async follow(
    endpointIds: ReadonlySet<string>,
    shards: ReadonlySet<number>,
    access: boolean,
  ): Promise<void> {
    const now = performance.now();
    if (shards.size > 0 || access) await this.refresh(now);
    const unknown: string[] = [];
    for (const id of endpointIds) {
      const lane = this.lanes.get(id);
      if (lane) lane.mayHavePending = true;
      else unknown.push(id);
    }
    if (unknown.length === 0 && shards.size === 0) return;
    for (const target of await this.targets.read([...shards], unknown)) {
      const epoch = this.owner.epochOf(target.shard);
      if (epoch === undefined || !this.owner.holds(target.shard)) continue;
      const lane = this.lanes.get(target.id);
      if (lane) {
        lane.look(now);
        lane.heedProbe(target.probeAskedAt, now);
        lane.seeksOrphans ||= target.hasFollowers;
      } else {
        this.lanes.set(target.id, new Lane(target, epoch, this.limits, now));
      }
    }
  }

  /** Shards of endpoints whose keys, or what they may hear of, have changed by the clock. */
  outdated(now: number): number[] {
    return this.held().flatMap(({ refreshAt, target }) => (refreshAt <= now ? [target.shard] : []));
  }

  // An endpoint that was disabled or deleted gets nothing more, one whose URL changed gets the rest there.
  private async refresh(now: number): Promise<void> {
    const version = await this.targets.version();
    const isChanged = version !== this.endpointSetVersion;
    const stale = [...this.lanes.values()].filter((lane) => isChanged || lane.refreshAt <= now);
    if (stale.length > 0) {
      const targets = await this.targets.read(
        [],
        stale.map(({ target }) => target.id),
      );
      const enabled = new Map(targets.map((target) => [target.id, target]));
      for (const lane of stale) this.renew(lane, enabled.get(lane.target.id), now);
    }
    this.endpointSetVersion = version;
  }

  private renew(lane: Lane, target: Target | undefined, now: number): void {
    if (target) lane.resume(target, now);
    else {
      lane.pause();
      lane.refreshAt = this.targets.isLocked(lane.target.id) ? now + lockedMs : Infinity;
    }
    if (lane.isIdle) this.lanes.delete(lane.target.id);
  }

  /** What is under way for these shards is void: their new owner reads it again. */
  drop(shards: readonly number[]): void {
    const lost = new Set(shards);
    for (const [id, lane] of this.lanes) {
      if (!lost.has(lane.target.shard)) continue;
      lane.isVoid = true;
      lane.pause();
      this.lanes.delete(id);
    }
  }

  /** All that waits in memory is read again. */
  forgetWindows(): void {
    for (const lane of this.lanes.values()) lane.forgetWindow();
  }

  get hasUnkeptMarks(): boolean {
    for (const lane of this.lanes.values()) if (lane.readThrough > lane.storedMark) return true;
    return false;
  }

  /** Keeps how far lanes have come, so that whoever takes one over need not begin at the beginning. */
  async keepMarks(lanes: readonly Lane[] = this.held()): Promise<void> {
    const moved = lanes
      .map((lane) => ({ lane, through: lane.mark }))
      .filter(({ lane, through }) => through > lane.storedMark);
    if (moved.length === 0) return;
    await this.targets.mark(this.owner.id, moved);
    for (const { lane, through } of moved) lane.storedMark = through;
  }

  /** Shares room and machine among those that have anything to do, or may find something; quiet lanes take nothing. */
  share(): void {
    const now = performance.now();
    let busy = 0;
    for (const lane of this.lanes.values()) if (lane.isBusy(now)) busy += 1;
    this.busy = Math.max(1, busy);
    const share = Math.max(leastShare, Math.floor(mostInFlight / this.busy));
    for (const lane of this.lanes.values()) lane.share = share;
  }

  forgetIdle(): void {
    if (this.lanes.size <= mostIdleLanes) return;
    for (const [id, lane] of this.lanes) if (lane.isIdle) this.lanes.delete(id);
  }
}
