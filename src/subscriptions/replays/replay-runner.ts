import { randomUUID } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Leases, type Lease } from '../../database/leases.js';
import { Signals } from '../../database/signals.js';
import { Logger } from '../../platform/logger.js';
import { Settings } from '../../platform/settings.js';
import { Wakeable } from '../../platform/wakeable.js';
import { shardOf } from '../deliveries/shard-owner.js';
import { LeaseLost, ReplayQueue } from './replay-queue.js';
import { selectionOf } from './replay-request.js';
import { ReplaysService, type OpenReplay } from './replays.service.js';

/** While something runs. A rate of one a second still goes on evenly. */
const tickMs = 200;
/** How soon a hub finds what another one was asked for. */
const idleMs = 1000;
const failurePauseMs = 500;
/** Of one replay, before it is given up; a restart of the database may cost several. */
const mostSearches = 20;

/** What of one replay may wait for its endpoint: two seconds of it, and a little more for a slow one. */
function mostOpen(ratePerSecond: number): number {
  return 500 + 2 * ratePerSecond;
}

/**
 * Carries replays out, on one hub at a time: finds what they are of, one replay after the other, and queues it at
 * their rate. Sending is the deliverer's, for whom it is due work like any other.
 */
@Injectable()
export class ReplayRunner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly holder = randomUUID();
  private readonly waker = new Wakeable();
  private readonly closing = new AbortController();
  private lease?: Lease;
  private renewedAt = 0;
  private running?: Promise<void>;
  private collecting?: Promise<void>;
  private readonly failedSearches = new Map<string, number>();
  /** How many each running replay may queue now, and when that was reckoned. */
  private readonly allowances = new Map<string, { count: number; at: number }>();

  constructor(
    private readonly leases: Leases,
    private readonly queue: ReplayQueue,
    private readonly replays: ReplaysService,
    private readonly signals: Signals,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.running = this.run();
  }

  /** A collection that is cut off begins anew on the next hub. */
  async onModuleDestroy(): Promise<void> {
    this.waker.stop();
    this.closing.abort();
    await this.running;
    await this.collecting;
    await this.release();
  }

  /** Something was asked for: look at once. */
  wake(): void {
    this.waker.wake();
  }

  private async run(): Promise<void> {
    while (!this.waker.stopped) {
      this.waker.reset();
      try {
        const isBusy = await this.round();
        await this.waker.wait(isBusy ? tickMs : idleMs);
      } catch (error) {
        if (error instanceof LeaseLost) this.lease = undefined;
        else this.logger.warn({ err: error }, 'replays have to wait, trying again');
        await this.waker.pause(failurePauseMs);
      }
    }
  }

  /** @returns whether this hub has anything to do. */
  private async round(): Promise<boolean> {
    const open = await this.replays.open();
    if (open.length === 0) {
      this.allowances.clear();
      if (!this.collecting) await this.release();
      return false;
    }
    const lease = await this.hold();
    if (!lease) return false;
    const next = open.find(({ state }) => state === 'collecting');
    if (next && !this.collecting) {
      this.collecting = this.collect(lease, next).finally(() => {
        this.collecting = undefined;
        this.waker.wake();
      });
    }
    for (const replay of open.filter(({ state }) => state === 'running')) {
      await this.step(lease, replay);
    }
    return true;
  }

  private async collect(lease: Lease, replay: OpenReplay): Promise<void> {
    try {
      const { signal } = this.closing;
      const selection = selectionOf(replay);
      const { isTooMany } = await this.queue.collect(lease, replay.id, selection, signal);
      if (isTooMany) await this.replays.finish(replay, 'failed', 'too_many_matched');
    } catch (error) {
      if (error instanceof LeaseLost || this.waker.stopped) return;
      this.logger.warn({ err: error, replayId: replay.id }, 'a replay could not be collected');
      await this.waker.pause(failurePauseMs);
      // A search that always takes too long would keep all others waiting for ever.
      const tries = (this.failedSearches.get(replay.id) ?? 0) + 1;
      this.failedSearches.set(replay.id, tries);
      if (!isTimeout(error) && tries < mostSearches) return;
      this.failedSearches.delete(replay.id);
      await this.replays
        .finish(replay, 'failed', 'search_failed')
        .catch((again) =>
          this.logger.warn({ err: again, replayId: replay.id }, 'a replay goes on'),
        );
    }
  }

  private async step(lease: Lease, replay: OpenReplay): Promise<void> {
    const allowance = this.allowanceOf(replay);
    const most = Math.floor(allowance.count);
    if (most < 1) return;
    const limit = mostOpen(replay.ratePerSecond);
    const { queued, end } = await this.queue.step(lease, replay, most, limit);
    allowance.count -= queued;
    // The shard and not the endpoint, so that its owner looks at retries too.
    if (queued > 0) this.signals.emit('deliveries', [String(shardOf(replay.endpointId))]);
    if (end) {
      this.allowances.delete(replay.id);
      await this.replays.finish(replay, end);
    }
  }

  private allowanceOf({ id, ratePerSecond }: OpenReplay): { count: number; at: number } {
    const now = performance.now();
    const before = this.allowances.get(id) ?? { count: 1, at: now };
    const earned = ((now - before.at) / 1000) * ratePerSecond;
    // What was not used, because the endpoint was down say, is not made up for at once.
    const allowance = {
      count: Math.min(before.count + earned, Math.max(1, ratePerSecond)),
      at: now,
    };
    this.allowances.set(id, allowance);
    return allowance;
  }

  private async hold(): Promise<Lease | undefined> {
    const now = performance.now();
    if (this.lease && now - this.renewedAt < (this.settings.leaseSeconds * 1000) / 3) {
      return this.lease;
    }
    this.renewedAt = now;
    this.lease = await this.leases.take('replays', this.holder);
    return this.lease;
  }

  private async release(): Promise<void> {
    const { lease } = this;
    this.lease = undefined;
    if (lease) await this.leases.release(lease).catch(() => undefined);
  }
}

/** SQLSTATE query_canceled: the statement took longer than it may. */
function isTimeout(error: unknown): boolean {
  return (error as { code?: string }).code === '57014';
}
