import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Leases, type Lease } from '../../../database/leases.js';
import { Signals } from '../../../database/signals.js';
import { Logger } from '../../../platform/logger.js';
import { Settings } from '../../../platform/settings.js';
import { Wakeable } from '../../../platform/wakeable.js';
import { MasterKeyMissing } from '../../../sealing/master-keys.js';
import { EventLog } from '../../log/event-log.js';
import { Cursors } from '../cursors.js';
import { LogPace } from '../log-pace.js';
import { Failures, nameOf } from './failures.js';
import { RelaySession } from './relay-session.js';
import { RelayFenced, RelayStore } from './relay-store.js';
import { Topic } from './topic.js';

/**
 * Publishes the log to the topic: of all hubs the one that holds the lease, one request in flight. The lease's epoch
 * fences its writes; a request that a former relay still had on its way does no harm, since consumers drop what they
 * have had.
 */
@Injectable()
export class Relay {
  /** What went wrong last, until it goes well again. */
  failure: string | undefined;
  private readonly holder = randomUUID();
  private readonly waker = new Wakeable();
  private readonly leaseMs: number;
  private finished?: Promise<void>;
  private off?: () => void;

  constructor(
    private readonly log: EventLog,
    private readonly store: RelayStore,
    private readonly cursors: Cursors,
    private readonly topic: Topic,
    private readonly leases: Leases,
    private readonly signals: Signals,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {
    this.leaseMs = settings.leaseSeconds * 1000;
  }

  /** @param groups the groups this hub serves, at any time. */
  start(groups: () => string[]): void {
    if (this.finished) return;
    this.off = this.signals.on('events', () => this.waker.wake());
    this.finished = this.run(groups);
  }

  async stop(): Promise<void> {
    this.off?.();
    this.waker.stop();
    await this.finished;
  }

  private async run(groups: () => string[]): Promise<void> {
    const failures = new Failures(this.logger, { topic: this.topic.name });
    while (!this.waker.stopped) {
      try {
        const takenAt = performance.now();
        await this.store.found(this.topic.name, this.settings.kafkaPartitions);
        const lease = await this.leases.take('relay', this.holder);
        if (lease) {
          await this.lead(lease, takenAt, groups, failures);
        } else {
          this.failure = undefined;
          await this.waker.pause(this.leaseMs / 4);
        }
      } catch (error) {
        if (error instanceof RelayFenced) {
          await this.waker.pause(this.leaseMs / 4);
        } else {
          this.failure = `the relay cannot publish (${nameOf(error)})`;
          const pauseMs = failures.add(error, 'the relay failed, trying again');
          // What this hub lacks a master key for another one may open: it comes first for the lease.
          const isLocked = error instanceof MasterKeyMissing;
          await this.waker.pause(isLocked ? this.leaseMs / 2 : pauseMs);
        }
      }
    }
  }

  private async lead(
    lease: Lease,
    takenAt: number,
    groups: () => string[],
    failures: Failures,
  ): Promise<void> {
    const { log, store, cursors, topic, settings, logger, waker, leaseMs } = this;
    let renewedAt = takenAt;
    // Counted from before the renewal, so that this hub believes in its lease no longer than the database does.
    const keepLease = async () => {
      const now = performance.now();
      if (now - renewedAt < leaseMs / 4) return;
      const renewed = await this.leases.take(lease.name, lease.holder);
      if (renewed?.epoch !== lease.epoch) throw new RelayFenced();
      renewedAt = now;
    };
    // Two tries and a reconnection fit into the three quarters of the lease that are left at least.
    const requestMs = Math.max(500, leaseMs / 6);
    const parts = { log, store, cursors, topic, settings, logger, groups };
    const session = new RelaySession(parts, lease.epoch, keepLease, requestMs);
    try {
      await session.open();
      const pace = new LogPace(waker, leaseMs / 4);
      while (!waker.stopped) {
        waker.reset();
        const page = await session.publishPage();
        this.failure = undefined;
        failures.clear();
        await pace.afterPage(page);
      }
    } finally {
      await session.close();
      await this.leases.release(lease).catch(() => undefined);
    }
  }
}
