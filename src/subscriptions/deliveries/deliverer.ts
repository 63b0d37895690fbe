import { randomUUID } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import { Signals } from '../../database/signals.js';
import { Logger } from '../../platform/logger.js';
import { Metrics } from '../../platform/metrics.js';
import { Settings } from '../../platform/settings.js';
import { Wakeable } from '../../platform/wakeable.js';
import type { AttemptResult } from './delivery.js';
import { DueReader } from './due-reader.js';
import { Lane } from './lane.js';
import { ResultRecorder } from './result-recorder.js';
import { Sender } from './sender.js';
import { ShardOwner, shardOf } from './shard-owner.js';
import { WebhookClient } from './webhook-client.js';

/** How often everything is looked at without a signal: one can be lost with the process that would have sent it. */
const pollMs = 5000;
const failurePauseMs = 250;
/** Results that wait for the database. Beyond it sending pauses, since a crash would repeat them all. */
const mostUnrecorded = 5000;
/** Due deliveries in memory, over all lanes and for one. */
const mostQueued = 50_000;
const widestWindow = 1000;
const narrowestWindow = 20;
/** Idle lanes are kept up to this number: a quiet endpoint's next event needs no look at its settings. */
const mostIdleLanes = 2000;

/**
 * Sends what is due for the endpoints whose shards this process owns: a loop that reads, woken by signals, and sends
 * that go on by themselves. No transaction and no connection is held while a webhook is on its way.
 */
@Injectable()
export class Deliverer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly owner: ShardOwner;
  private readonly reader: DueReader;
  private readonly recorder: ResultRecorder;
  private readonly sender: Sender;
  private readonly lanes = new Map<string, Lane>();
  private readonly waker = new Wakeable();
  private readonly shardsWaker = new Wakeable();
  private suspects = { endpoints: new Set<string>(), shards: new Set<number>() };
  private endpointSetVersion?: string;
  private polledAt = 0;
  /** Lanes stopped for the recorder's backlog; the loop sets them going again. */
  private heldUp = false;
  private givingBack?: Promise<void>;
  private reading?: Promise<void>;
  private keeping?: Promise<void>;
  private silence?: () => void;

  constructor(
    pool: EnginePool,
    private readonly signals: Signals,
    private readonly settings: Settings,
    private readonly client: WebhookClient,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    this.owner = new ShardOwner(pool, randomUUID(), settings.leaseSeconds);
    this.reader = new DueReader(pool);
    this.sender = new Sender(client, settings, metrics, logger);
    this.recorder = new ResultRecorder(pool, this.owner, logger, (lane, result) =>
      this.settle(lane, result),
    );
  }

  onApplicationBootstrap(): void {
    this.silence = this.signals.on('deliveries', (keys) => this.suspect(keys));
    this.reading = this.run();
    this.keeping = this.keepShards();
  }

  /** Finishes what is under way and gives the shards back, so that others go on at once. */
  async onModuleDestroy(): Promise<void> {
    this.silence?.();
    this.waker.stop();
    // The reader first, since it would fill lanes again; the leases last, since results count under them.
    await this.reading;
    await Promise.all([...this.lanes.values()].map((lane) => lane.finish()));
    await this.recorder.drain();
    this.shardsWaker.stop();
    await this.keeping;
    await this.givingBack;
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

  private async run(): Promise<void> {
    while (!this.waker.stopped) {
      this.waker.reset();
      try {
        await this.followSuspects();
        const window = this.window();
        await this.reader.fill(this.heldLanes(), window);
        for (const lane of this.lanes.values()) this.pump(lane);
        this.forgetIdleLanes();
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
    const { endpoints, shards } = this.suspects;
    this.suspects = { endpoints: new Set(), shards: new Set() };
    try {
      if (shards.size > 0) await this.refreshTargets();
      const now = performance.now();
      const unknown: string[] = [];
      for (const id of endpoints) {
        const lane = this.lanes.get(id);
        if (lane) lane.mayHavePending = true;
        else unknown.push(id);
      }
      if (unknown.length === 0 && shards.size === 0) return;
      for (const target of await this.reader.targets([...shards], unknown)) {
        const epoch = this.owner.epochOf(target.shard);
        if (epoch === undefined || !this.owner.holds(target.shard)) continue;
        const lane = this.lanes.get(target.id);
        if (lane) lane.look(now);
        else this.lanes.set(target.id, new Lane(target, epoch));
      }
    } catch (error) {
      for (const id of endpoints) this.suspects.endpoints.add(id);
      for (const shard of shards) this.suspects.shards.add(shard);
      throw error;
    }
  }

  // An endpoint that was disabled or deleted gets nothing more, one whose URL changed gets the rest there.
  private async refreshTargets(): Promise<void> {
    const version = await this.reader.endpointSetVersion();
    if (version === this.endpointSetVersion) return;
    const targets = await this.reader.targets([], [...this.lanes.keys()]);
    const enabled = new Map(targets.map((target) => [target.id, target]));
    const now = performance.now();
    for (const [id, lane] of this.lanes) {
      const target = enabled.get(id);
      if (target) lane.resume(target, now);
      else lane.pause();
      if (lane.isIdle) this.lanes.delete(id);
    }
    this.endpointSetVersion = version;
  }

  private heldLanes(): Lane[] {
    return [...this.lanes.values()].filter(({ target }) => this.owner.holds(target.shard));
  }

  private pump(lane: Lane): void {
    while (this.owner.holds(lane.target.shard)) {
      if (this.recorder.backlog >= mostUnrecorded) {
        this.heldUp = true;
        return;
      }
      const delivery = lane.next();
      if (!delivery) break;
      void this.sender.send(lane.target, delivery).then((result) => {
        lane.sent();
        this.recorder.add(lane, result);
        this.pump(lane);
      });
    }
    // Only where a read can follow: waking the loop for a lane that it may not read would make it spin.
    const mayRead = this.owner.holds(lane.target.shard);
    if (mayRead && lane.readsIn(this.window(), performance.now()) === 0) this.waker.wake();
  }

  private settle(lane: Lane, { deliveryId, status, retryInSeconds }: AttemptResult): void {
    lane.settled(deliveryId);
    if (status === 'failed') lane.retryIn(retryInSeconds! * 1000, performance.now());
    if (status === 'failed' || this.heldUp) {
      this.heldUp = false;
      this.waker.wake();
    }
    this.pump(lane);
  }

  private window(): number {
    const fair = Math.floor(mostQueued / Math.max(1, this.lanes.size));
    return Math.min(widestWindow, Math.max(narrowestWindow, fair));
  }

  /** Until the next retry or poll; nothing while a lane has room for what is known to wait. */
  private pauseMs(window: number): number {
    const now = performance.now();
    const reads = this.heldLanes().map((lane) => lane.readsIn(window, now));
    return Math.ceil(reads.reduce((least, ms) => Math.min(least, ms), pollMs));
  }

  private forgetIdleLanes(): void {
    if (this.lanes.size <= mostIdleLanes) return;
    for (const [id, lane] of this.lanes) if (lane.isIdle) this.lanes.delete(id);
  }

  private async keepShards(): Promise<void> {
    while (!this.shardsWaker.stopped) {
      try {
        const { gained, lost, lapsed, surplus } = await this.owner.renew();
        if (lost.length > 0) this.dropLanes(lost);
        if (lapsed) this.suspect('all');
        else if (gained.length > 0) this.suspect(new Set(gained.map(String)));
        if (surplus > 0) this.givingBack ??= this.giveBack(surplus);
      } catch (error) {
        this.logger.warn({ err: error }, 'renewing the shards failed, trying again');
      }
      await this.shardsWaker.pause((this.settings.leaseSeconds * 1000) / 3);
    }
  }

  // What is under way for them is void: the new owner reads it again.
  private dropLanes(shards: readonly number[]): void {
    const lost = new Set(shards);
    for (const [id, lane] of this.lanes) {
      if (!lost.has(lane.target.shard)) continue;
      lane.pause();
      this.lanes.delete(id);
    }
  }

  // Newcomers get their share as soon as nothing is under way for it; renewing goes on meanwhile.
  private async giveBack(count: number): Promise<void> {
    try {
      const shards = new Set(this.owner.retire(count));
      const lanes = [...this.lanes.values()].filter(({ target }) => shards.has(target.shard));
      await Promise.all(lanes.map((lane) => lane.finish()));
      this.dropLanes([...shards]);
      await this.owner.release([...shards]);
    } catch (error) {
      this.logger.warn({ err: error }, 'giving shards back failed; their lease will run out');
    } finally {
      this.givingBack = undefined;
    }
  }
}
