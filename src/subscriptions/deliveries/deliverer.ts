import { randomUUID } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import { Signals } from '../../database/signals.js';
import { Logger } from '../../platform/logger.js';
import { Metrics } from '../../platform/metrics.js';
import { Settings } from '../../platform/settings.js';
import { Wakeable } from '../../platform/wakeable.js';
import { DataKeys } from '../../sealing/data-keys.js';
import { DeadLetters } from './dead-letters.js';
import { DueReader } from './due-reader.js';
import { EndpointHealth } from './endpoint-health.js';
import { EventCache } from './event-cache.js';
import { Hearing } from './hearing.js';
import type { Lane, NewDelivery } from './lane.js';
import { Lanes } from './lanes.js';
import { ResultRecorder, type LaneResult } from './result-recorder.js';
import { Revoked } from './revoked.js';
import { Sender } from './sender.js';
import { ShardKeeper } from './shard-keeper.js';
import { ShardOwner, shardOf } from './shard-owner.js';
import { Targets } from './targets.js';
import { WebhookClient } from './webhook-client.js';
import { Reaches } from '../reach/reaches.js';

/** How often everything is looked at without a signal: one can be lost with the process that would have sent it. */
const pollMs = 5000;
const failurePauseMs = 250;
/** How often it is kept how far each lane has come. */
const markMs = 1000;
/** Keys without a head that are looked after at a time. */
const mostOrphans = 50;
/** Results that wait for the database. Beyond it sending pauses, since a crash would repeat them all. */
const mostUnrecorded = 5000;

/**
 * Sends what is due for the endpoints whose shards this process owns: a loop that reads, woken by signals, and sends
 * that go on by themselves. No transaction and no connection is held while a webhook is on its way.
 */
@Injectable()
export class Deliverer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly owner: ShardOwner;
  private readonly reader: DueReader;
  private readonly revoked: Revoked;
  private readonly recorder: ResultRecorder;
  private readonly sender: Sender;
  private readonly lanes: Lanes;
  private readonly shards: ShardKeeper;
  private readonly waker = new Wakeable();
  private suspects = { endpoints: new Set<string>(), shards: new Set<number>(), access: false };
  private polledAt = 0;
  private markedAt = 0;
  /** Lanes stopped for the recorder's backlog; the loop sets them going again. */
  private heldUp = false;
  private reading?: Promise<void>;
  private silences: (() => void)[] = [];

  constructor(
    pool: EnginePool,
    private readonly signals: Signals,
    settings: Settings,
    private readonly client: WebhookClient,
    private readonly health: EndpointHealth,
    private readonly logger: Logger,
    events: EventCache,
    reaches: Reaches,
    deadLetters: DeadLetters,
    metrics: Metrics,
    private readonly keys: DataKeys,
  ) {
    this.owner = new ShardOwner(pool, randomUUID(), settings.leaseSeconds);
    const targets = new Targets(pool, reaches, client, settings, logger, keys);
    this.reader = new DueReader(pool, events, new Hearing(pool, targets), logger);
    this.revoked = new Revoked(pool);
    this.lanes = new Lanes(targets, this.owner, events, settings);
    this.shards = new ShardKeeper(
      this.owner,
      this.lanes,
      health,
      settings.leaseSeconds,
      logger,
      (shards) => this.suspect(shards),
    );
    this.sender = new Sender(client, settings, metrics, logger);
    this.recorder = new ResultRecorder(pool, this.owner, deadLetters, keys, logger, (results) =>
      this.settle(results),
    );
  }

  onApplicationBootstrap(): void {
    this.silences = [
      this.signals.on('deliveries', (keys) => this.suspect(keys)),
      this.signals.on('access', () => this.suspectAccess()),
      // What waits in memory was opened before: it is read again, and what has no key any more withheld.
      this.keys.onDestroyed(() => {
        this.lanes.forgetWindows();
        this.waker.wake();
      }),
    ];
    this.reading = this.run();
    this.shards.start();
  }

  /** Finishes what is under way and gives the shards back, so that others go on at once. */
  async onModuleDestroy(): Promise<void> {
    for (const silence of this.silences) silence();
    this.waker.stop();
    // The reader first, since it would fill lanes again; the leases last, since results count under them.
    await this.reading;
    await Promise.all([...this.lanes.all()].map((lane) => lane.finish()));
    await this.recorder.drain();
    await this.health.drain();
    await this.lanes.keepMarks().catch(() => undefined);
    await this.shards.stop();
    await this.client.close();
    await this.owner.leave().catch(() => undefined);
  }

  // Keys are endpoint ids where fan-out speaks, shard numbers where an endpoint was changed.
  private suspect(keys: ReadonlySet<string> | 'all'): void {
    const { endpoints, shards } = this.suspects;
    if (keys === 'all') this.owner.shards.forEach((shard) => shards.add(shard));
    else {
      for (const key of keys) {
        if (/^\d{1,2}$/.test(key)) shards.add(Number(key));
        else if (this.owner.holds(shardOf(key))) endpoints.add(key);
      }
    }
    this.waker.wake();
  }

  private suspectAccess(): void {
    this.suspects.access = true;
    this.waker.wake();
  }

  /** Whether a lane here might send for this endpoint at once. */
  mayTake(endpointId: string): boolean {
    return this.lanes.get(endpointId) !== undefined;
  }

  /**
   * Takes deliveries over that were made just now, so that nobody has to look for them.
   * @param deliveries all of one batch for this endpoint
   * @param version of `endpoint_set_version` under which they were made
   * @returns false where they have to be looked for: the lane is behind, or held up, or not here
   */
  take(endpointId: string, deliveries: readonly NewDelivery[], version: string): boolean {
    const lane = this.lanes.get(endpointId);
    if (!lane || !this.owner.holds(lane.target.shard)) return false;
    if (!lane.take(deliveries, this.lanes.window(), version, performance.now())) return false;
    this.pump(lane);
    return true;
  }

  private async run(): Promise<void> {
    while (!this.waker.stopped) {
      this.waker.reset();
      try {
        await this.followSuspects();
        // Before anything is read: after a start every lane may find a backlog.
        this.lanes.share();
        const window = this.lanes.window();
        await this.reader.fill(this.lanes.held(), window);
        this.releaseOrphans(window);
        this.withholdRevoked();
        this.lanes.share();
        for (const lane of this.lanes.all()) this.pump(lane);
        await this.keepMarks();
        await this.waker.wait(this.pauseMs(window));
      } catch (error) {
        this.logger.warn({ err: error }, 'reading due deliveries failed, trying again');
        await this.waker.pause(failurePauseMs);
      }
    }
  }

  private async followSuspects(): Promise<void> {
    if (performance.now() - this.polledAt > pollMs) {
      this.polledAt = performance.now();
      this.suspect('all');
    }
    for (const shard of this.lanes.outdated(performance.now())) this.suspects.shards.add(shard);
    const { endpoints, shards, access } = this.suspects;
    this.suspects = { endpoints: new Set(), shards: new Set(), access: false };
    try {
      await this.lanes.follow(endpoints, shards, access);
    } catch (error) {
      this.suspects.access ||= access;
      for (const id of endpoints) this.suspects.endpoints.add(id);
      for (const shard of shards) this.suspects.shards.add(shard);
      throw error;
    }
  }

  // After the stream has been read: an earlier one of a key may have had to be read again.
  private releaseOrphans(window: number): void {
    for (const lane of this.lanes.held()) {
      const most = Math.min(mostOrphans, lane.orphansWanted(window, performance.now()));
      if (most <= 0) continue;
      lane.seeksOrphans = false;
      // Not awaited: other lanes need not wait for this one's keys.
      this.reader.followers.releaseOrphans(lane, most).then(
        () => {
          if (lane.seeksOrphans) this.waker.wake();
          this.pump(lane);
        },
        // Looked for again at the next poll.
        (error) => this.logger.warn({ err: error }, 'followers were not looked for'),
      );
    }
  }

  private withholdRevoked(): void {
    for (const lane of this.lanes.all()) {
      if (!lane.hasLost || !this.lanes.isCurrent(lane)) continue;
      lane.hasLost = false;
      // Not awaited, as above.
      this.revoked.withhold(lane).then(
        (count) => {
          if (count === 0 || lane.target.ordering === 'none') return;
          // Others may have waited for it.
          lane.seeksOrphans = true;
          this.waker.wake();
        },
        (error) => {
          lane.hasLost = true;
          this.logger.warn({ err: error }, 'what was revoked was not looked for');
        },
      );
    }
  }

  private async keepMarks(): Promise<void> {
    if (performance.now() - this.markedAt < markMs) return;
    this.markedAt = performance.now();
    await this.lanes.keepMarks();
    this.lanes.forgetIdle();
  }

  private pump(lane: Lane): void {
    while (this.owner.holds(lane.target.shard)) {
      if (this.recorder.backlog >= mostUnrecorded) {
        this.heldUp = true;
        return;
      }
      const delivery = lane.next(performance.now());
      if (!delivery) break;
      void this.sender.send(lane.target, delivery).then((result) => {
        const changes = lane.answered(result, performance.now());
        if (changes.length > 0 && this.lanes.isCurrent(lane)) this.health.note(lane, changes);
        this.recorder.add(lane, result);
        this.pump(lane);
      });
    }
    if (!this.owner.holds(lane.target.shard)) return;
    const now = performance.now();
    // Only where a read can follow: waking the loop for a lane that it may not read would make it spin.
    if (lane.readsIn(this.lanes.window(), now) === 0) this.waker.wake();
    this.pumpLater(lane, lane.sendsIn(now));
  }

  private pumpLater(lane: Lane, ms: number): void {
    if (ms === 0 || ms === Infinity || lane.timer !== undefined) return;
    lane.timer = setTimeout(() => {
      lane.timer = undefined;
      this.pump(lane);
    }, Math.ceil(ms));
  }

  private settle(results: readonly LaneResult[]): void {
    const lanes = new Set<Lane>();
    for (const { lane, result } of results) {
      const { delivery, status, retryInSeconds } = result;
      lanes.add(lane);
      lane.settled(delivery.id);
      if (status === 'failed') {
        lane.retryIn(retryInSeconds! * 1000, performance.now());
        this.waker.wake();
      }
      if (delivery.orderKey !== null) this.goOn(lane, delivery.orderKey, result);
    }
    if (this.heldUp) {
      this.heldUp = false;
      this.waker.wake();
    }
    for (const lane of lanes) this.pump(lane);
  }

  /** What follows behind a delivery that has been settled. */
  private goOn(lane: Lane, orderKey: string, { delivery, status }: LaneResult['result']): void {
    const ordered = { ...delivery, orderKey };
    const { next, park, forget, release } = lane.order.settle(ordered, status === 'failed');
    if (next) lane.enqueue(next);
    for (const { id } of forget) lane.putAside(id);
    if (park.length > 0) void this.reader.followers.park(lane, park).catch(() => undefined);
    if (release) this.release(lane, orderKey);
  }

  private release(lane: Lane, key: string): void {
    const room = this.lanes.window() / 2 - lane.queued;
    this.reader.followers.release(lane, key, Math.floor(room)).then(
      () => {
        if (lane.seeksOrphans) this.waker.wake();
        this.pump(lane);
      },
      () => undefined,
    );
  }

  /** Until the next retry or poll; nothing while a lane has room for what is known to wait. */
  private pauseMs(window: number): number {
    const now = performance.now();
    const mostMs = this.lanes.hasUnkeptMarks ? markMs : pollMs;
    const reads = this.lanes
      .held()
      .map((lane) => Math.min(lane.readsIn(window, now), Math.max(0, lane.refreshAt - now)));
    return Math.ceil(reads.reduce((least, ms) => Math.min(least, ms), mostMs));
  }
}
