import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Interval, SchedulerRegistry } from '@nestjs/schedule';
import { isTransient } from '../database/errors.js';
import { Logger } from '../platform/logger.js';
import { Wakeable } from '../platform/wakeable.js';
import { ReminderTick } from './reminder-tick.js';

const everyMs = 1000;
const nextName = 'reminders-next';

/**
 * Ticks every second, and to the millisecond when a reminder falls due before the next second is over. One tick at a
 * time in a process; what overlaps is left out, since the tick under way does its work.
 */
@Injectable()
export class ReminderClock implements OnModuleDestroy {
  private readonly rest = new Wakeable();
  private ticking?: Promise<void>;
  private failing = false;

  constructor(
    private readonly reminders: ReminderTick,
    private readonly registry: SchedulerRegistry,
    private readonly logger: Logger,
  ) {}

  @Interval('reminders', everyMs)
  tick(): Promise<void> {
    if (this.rest.stopped) return Promise.resolve();
    return (this.ticking ??= this.once().finally(() => (this.ticking = undefined)));
  }

  async onModuleDestroy(): Promise<void> {
    this.rest.stop();
    this.cancelNext();
    await this.ticking;
  }

  private async once(): Promise<void> {
    try {
      const { fired, missed } = await this.reminders.run(undefined, this.rest);
      if (missed > 0)
        this.logger.warn({ missed }, 'reminders came too late for their appointments');
      if (fired > 0) this.logger.debug({ fired }, 'reminders fired');
      if (this.failing) this.logger.info({}, 'the reminders tick works again');
      this.failing = false;
      const inMs = await this.reminders.nextInMs();
      if (inMs !== undefined && inMs < everyMs && !this.rest.stopped) this.tickIn(inMs);
    } catch (error) {
      // The rows wait; the next second tries again, and says nothing new as long as nothing changes.
      const level = isTransient(error) ? 'warn' : 'error';
      if (!this.failing) this.logger[level]({ err: error }, 'the reminders tick failed');
      this.failing = true;
    }
  }

  private tickIn(ms: number): void {
    this.cancelNext();
    // A timer may run up to a millisecond early, and the database's clock decides. What is due already is more than
    // one tick takes, or its practice is busy: both can wait a little.
    const wait = ms > 0 ? Math.ceil(ms) + 1 : 50;
    const timer = setTimeout(() => void this.tick(), wait);
    this.registry.addTimeout(nextName, timer);
  }

  private cancelNext(): void {
    if (this.registry.doesExist('timeout', nextName)) this.registry.deleteTimeout(nextName);
  }
}
