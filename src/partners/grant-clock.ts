import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { EnginePool } from '../database/engine-pool.js';
import { EngineTransactions } from '../database/engine-transactions.js';
import { Signals } from '../database/signals.js';
import { lockPractices, type EventTx } from '../database/transactions.js';
import { Outbox } from '../events/outbox/outbox.js';
import { Logger } from '../platform/logger.js';
import { Settings } from '../platform/settings.js';
import { Wakeable } from '../platform/wakeable.js';
import type { Grant } from './grant.entity.js';
import { grantEvents } from './grant.events.js';
import { endingSoonSql, nextMomentSql, noticeSql, takeEndingSql } from './sql/grant-clock.js';
import { applicationsOfSql } from './sql/grants.js';

/** How late a grant is noticed that another hub made, if its signal was lost. */
const idleMs = 5000;
const failurePauseMs = 1000;
/** Small, since each holds the lock of its practice. */
const toldAtOnce = 50;

/**
 * What the clock does to grants: it begins and ends them, and announces an end. Any number of hubs may look at the same
 * moment; one of them finds it, in the database.
 */
@Injectable()
export class GrantClock implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly waker = new Wakeable();
  private silence?: () => void;
  private running?: Promise<void>;

  constructor(
    private readonly pool: EnginePool,
    private readonly transactions: EngineTransactions,
    private readonly outbox: Outbox,
    private readonly signals: Signals,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    // A grant that was changed may end sooner than what was waited for.
    this.silence = this.signals.on('access', () => this.waker.wake());
    this.running = this.run();
  }

  async onModuleDestroy(): Promise<void> {
    this.silence?.();
    this.waker.stop();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.waker.stopped) {
      this.waker.reset();
      try {
        await this.notice();
        await this.announce();
        await this.waker.wait(Math.min(idleMs, await this.nextInMs()));
      } catch (error) {
        this.logger.warn({ err: error }, 'the clock of grants has to wait, trying again');
        await this.waker.pause(failurePauseMs);
      }
    }
  }

  /** Makes every hub look anew at what partners may hear of, where that has changed by itself. */
  private async notice(): Promise<void> {
    const { rows } = await this.pool.query({ name: 'grants-notice', text: noticeSql });
    if (rows.length === 0) return;
    this.signals.emit('access');
    this.signals.emit('deliveries');
  }

  /** Tells partners, and the practices' own applications, of ends that are near: of each end once. */
  private async announce(): Promise<void> {
    const days = this.settings.grantExpiryNoticeDays;
    while (!this.waker.stopped) {
      const { rows } = await this.pool.query<{ id: string; practiceId: string }>({
        name: 'grants-ending-soon',
        text: endingSoonSql,
        values: [days, toldAtOnce],
      });
      if (rows.length === 0) return;
      const practices = [...new Set(rows.map(({ practiceId }) => practiceId))];
      await this.transactions.run(async (tx) => {
        await lockPractices(tx, practices);
        const ids = rows.map(({ id }) => id);
        await this.tell(tx, await tx.query<Grant[]>(takeEndingSql, [ids, days]));
      });
      if (rows.length < toldAtOnce) return;
    }
  }

  private async tell(tx: EventTx, grants: readonly Grant[]): Promise<void> {
    const practices = await tx.query<{ id: string; sandbox: boolean; applications: string[] }[]>(
      applicationsOfSql,
      [grants.map(({ practiceId }) => practiceId)],
    );
    const audiences = new Map(
      practices.map(({ id, sandbox, applications }) => [
        id,
        { sandbox, applicationIds: applications },
      ]),
    );
    // Every announcement stands for itself: what caused it is the clock.
    for (const grant of grants) {
      const cause = { actor: 'system/grants', correlationId: `grants/${grant.id}` };
      const audience = audiences.get(grant.practiceId)!;
      await this.outbox.append(tx, cause, grantEvents('grant.expiring', grant, audience, {}));
    }
  }

  private async nextInMs(): Promise<number> {
    const { rows } = await this.pool.query<{ in_ms: number | null }>({
      name: 'grants-next-moment',
      text: nextMomentSql,
      values: [this.settings.grantExpiryNoticeDays],
    });
    // A timer may run up to a millisecond early, and the database's clock decides.
    return Math.max(1, Math.ceil(rows[0]!.in_ms ?? Infinity) + 1);
  }
}
