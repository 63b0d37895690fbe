import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Leases, type Lease } from '../../../database/leases.js';
import { Signals } from '../../../database/signals.js';
import { Logger } from '../../../platform/logger.js';
import { Settings } from '../../../platform/settings.js';
import { EventLog } from '../../log/event-log.js';
import { logStart, type Position } from '../../position.js';
import { BatchTaken } from '../claim.js';
import { consume } from '../consume.js';
import { Cursors } from '../cursors.js';
import { EventBus, type BatchHandler, type BusHealth, type Subscription } from '../event-bus.js';
import { ParkedEvents } from '../parked-events.js';
import { Wakeable } from '../../../platform/wakeable.js';

/** How many events a handler gets at once. */
const batchSize = 1000;
/** Signals wake the reader; this is what it falls back on when one is lost. */
const pollMs = 500;
/** Committed rows lie above the horizon: the transaction below them ends within milliseconds as a rule. */
const unsettledMs = 1;
const retryMs = 250;

/**
 * The embedded bus: reads the log itself, as one partition, by one hub at a time for each group. For one machine;
 * several hubs on it take over from each other by lease.
 */
@Injectable()
export class PostgresLogBus extends EventBus {
  readonly kind = 'log';
  private readonly holder = randomUUID();
  private readonly running = new Set<Subscription>();
  private failure: string | undefined;

  constructor(
    private readonly log: EventLog,
    private readonly cursors: Cursors,
    private readonly parked: ParkedEvents,
    private readonly leases: Leases,
    private readonly signals: Signals,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {
    super();
  }

  async subscribe(group: string, handler: BatchHandler): Promise<Subscription> {
    const waker = new Wakeable();
    const off = this.signals.on('events', () => waker.wake());
    const finished = this.run(group, handler, waker);
    const subscription = {
      stop: async () => {
        off();
        waker.stop();
        await finished;
        this.running.delete(subscription);
      },
    };
    this.running.add(subscription);
    return subscription;
  }

  async health(): Promise<BusHealth> {
    return { bus: this.kind, up: this.failure === undefined, detail: this.failure };
  }

  async close(): Promise<void> {
    await Promise.all([...this.running].map((subscription) => subscription.stop()));
  }

  private async run(group: string, handler: BatchHandler, waker: Wakeable): Promise<void> {
    while (!waker.stopped) {
      try {
        const lease = await this.leases.take(`log-bus/${group}`, this.holder);
        if (lease) await this.consumeWhileLeased(lease, group, handler, waker);
        else await waker.pause((this.settings.leaseSeconds * 1000) / 4);
        this.failure = undefined;
      } catch (error) {
        // Another hub was faster, or the database is away: start over from the stored cursor.
        if (!(error instanceof BatchTaken)) {
          this.failure = `reading the log for ${group} failed`;
          this.logger.warn({ group, err: error }, 'reading the log failed, trying again');
        }
        await waker.pause(retryMs);
      }
    }
  }

  private async consumeWhileLeased(
    lease: Lease,
    group: string,
    handler: BatchHandler,
    waker: Wakeable,
  ): Promise<void> {
    const renewMs = (this.settings.leaseSeconds * 1000) / 3;
    let cursor: Position = await this.cursors.load(group, this.kind, 0, logStart);
    let renewed = performance.now();
    await this.parked.redrive(group, this.kind, handler);
    try {
      while (!waker.stopped) {
        if (performance.now() - renewed > renewMs) {
          renewed = performance.now();
          if ((await this.leases.take(lease.name, lease.holder))?.epoch !== lease.epoch) return;
          await this.parked.redrive(group, this.kind, handler);
        }
        waker.reset();
        const { events, more } = await this.log.readHeaders(cursor, batchSize);
        const last = events.at(-1);
        if (last) {
          const stretch = { group, bus: this.kind, partition: 0, after: cursor } as const;
          await consume({ ...stretch, through: last.position, events }, handler, this.parked);
          cursor = last.position;
        }
        this.failure = undefined;
        if (!more) await waker.wait(Math.min(pollMs, renewMs));
        else if (!last) await waker.pause(unsettledMs);
      }
    } finally {
      await this.leases.release(lease).catch(() => undefined);
    }
  }
}
