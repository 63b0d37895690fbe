import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Leases, type Lease } from '../../../database/leases.js';
import { Signals } from '../../../database/signals.js';
import { Logger } from '../../../platform/logger.js';
import { Settings } from '../../../platform/settings.js';
import { Wakeable } from '../../../platform/wakeable.js';
import { MasterKeyMissing } from '../../../sealing/master-keys.js';
import { EventLog } from '../../log/event-log.js';
import { logStart, lowest, type Position } from '../../position.js';
import { BatchTaken } from '../claim.js';
import { consume } from '../consume.js';
import { Cursors } from '../cursors.js';
import { EventBus, type BatchHandler, type BusHealth, type Subscription } from '../event-bus.js';
import { Handover } from '../handover.js';
import { LogPace } from '../log-pace.js';
import { ParkedEvents } from '../parked-events.js';

/** How many events a handler gets at once. */
const batchSize = 1000;
const retryMs = 250;

/**
 * The embedded bus: reads the log itself, as one partition, by one hub at a time for each group. For one machine;
 * several hubs on it take over from each other by lease.
 */
@Injectable()
export class PostgresLogBus extends EventBus {
  readonly kind = 'log';
  private readonly holder = randomUUID();
  private readonly running = new Map<string, Subscription>();
  /** By group: what went wrong last, until it goes well again. */
  private readonly failures = new Map<string, string>();

  constructor(
    private readonly log: EventLog,
    private readonly cursors: Cursors,
    private readonly handover: Handover,
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
        this.running.delete(group);
        this.failures.delete(group);
      },
    };
    this.running.set(group, subscription);
    return subscription;
  }

  async health(): Promise<BusHealth> {
    const failures = [...this.failures.values()];
    return {
      bus: this.kind,
      up: failures.length === 0,
      ...(failures.length > 0 && { detail: failures.join('; ') }),
    };
  }

  async consumedThrough(): Promise<Position> {
    const cursors = await this.cursors.all(this.kind);
    const needed = [...this.running.keys()].map(
      (group) => cursors.find((cursor) => cursor.group === group)?.position ?? logStart,
    );
    return needed.length > 0 ? lowest(needed) : logStart;
  }

  async close(): Promise<void> {
    await Promise.all([...this.running.values()].map((subscription) => subscription.stop()));
  }

  private async run(group: string, handler: BatchHandler, waker: Wakeable): Promise<void> {
    while (!waker.stopped) {
      try {
        const lease = await this.leases.take(`log-bus/${group}`, this.holder);
        if (lease) {
          await this.consumeWhileLeased(lease, group, handler, waker);
        } else {
          this.failures.delete(group);
          await waker.pause((this.settings.leaseSeconds * 1000) / 4);
        }
      } catch (error) {
        // Another hub was faster, or the database is away: start over from the stored cursor.
        if (!(error instanceof BatchTaken)) {
          const fields = { group, err: error };
          if (this.failures.has(group)) this.logger.debug(fields, 'a batch failed again');
          else this.logger.warn(fields, 'a batch failed, trying again');
          this.failures.set(group, `the group ${group} cannot read or handle the log`);
        }
        // What this hub lacks a master key for another one may open: it comes first for the lease.
        const isLocked = error instanceof MasterKeyMissing;
        await waker.pause(isLocked ? (this.settings.leaseSeconds * 1000) / 2 : retryMs);
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
    let renewed = performance.now();
    try {
      const standing = await this.handover.toLog(group);
      let { cursor } = standing;
      await this.parked.redrive(group, this.kind, handler);
      const pace = new LogPace(waker, renewMs);
      while (!waker.stopped) {
        if (performance.now() - renewed > renewMs) {
          renewed = performance.now();
          if ((await this.leases.take(lease.name, lease.holder))?.epoch !== lease.epoch) return;
          await this.parked.redrive(group, this.kind, handler);
        }
        waker.reset();
        const page = await this.log.readHeaders(cursor, batchSize);
        const through = page.events.at(-1)?.position;
        if (through) {
          const events = page.events.filter((event) => !standing.wasConsumed(event));
          const place = { group, bus: this.kind, partition: 0 } as const;
          await consume({ ...place, after: cursor, through, events }, handler);
          cursor = through;
        }
        this.failures.delete(group);
        await pace.afterPage(page);
      }
    } finally {
      await this.leases.release(lease).catch(() => undefined);
    }
  }
}
