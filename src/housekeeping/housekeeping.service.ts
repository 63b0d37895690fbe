import { randomUUID } from 'node:crypto';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { PoolClient } from 'pg';
import { EnginePool } from '../database/engine-pool.js';
import { Leases } from '../database/leases.js';
import { EventBus } from '../events/bus/event-bus.js';
import { Logger } from '../platform/logger.js';
import { Settings } from '../platform/settings.js';
import {
  boundsOf,
  createAhead,
  partitionDays,
  partitionedTables,
  partitionsOf,
  retentionOf,
} from './partitions.js';
import type { Partition } from './partitions.js';
import {
  deliveriesOpenSql,
  eventsNeededSql,
  forgetEndedSecretsSql,
  forgetKeysSql,
  forgetRemindersSql,
  forgetReplayItemsSql,
  forgetReplaysSql,
  forgetResponsesSql,
  forgetTokensSql,
  giveUpStrandedSql,
} from './sql/retention.js';

const everyMs = 600_000;
const dayMs = 86_400_000;
const remindersAtATime = 5000;
const remindersARound = 100_000;

/** Makes partitions before they are needed and drops those whose time is over. One hub at a time. */
@Injectable()
export class HousekeepingService implements OnModuleDestroy {
  private readonly holder = randomUUID();
  private working?: Promise<void>;
  /** How far the reminders have been looked at; a new round over the table begins behind its end. */
  private lastReminder = '0';

  constructor(
    private readonly pool: EnginePool,
    private readonly leases: Leases,
    private readonly bus: EventBus,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {}

  async onModuleDestroy(): Promise<void> {
    await this.working;
  }

  @Interval(everyMs)
  async tick(): Promise<void> {
    this.working ??= this.work().finally(() => (this.working = undefined));
    await this.working;
  }

  private async work(): Promise<void> {
    try {
      const lease = await this.leases.take('housekeeping', this.holder);
      if (!lease) return;
      await preparePartitions(this.pool, this.settings);
      await this.dropExpired();
      await this.repeat(forgetKeysSql);
      await this.repeat(forgetResponsesSql);
      await this.repeat(forgetReplayItemsSql);
      await this.repeat(forgetReplaysSql, [this.settings.eventRetentionDays]);
      await this.pool.query(forgetEndedSecretsSql);
      await this.repeat(forgetTokensSql);
      await this.forgetReminders();
      await this.leases.release(lease);
    } catch (error) {
      this.logger.warn({ err: error }, 'housekeeping failed; the next round tries again');
    }
  }

  private async forgetReminders(): Promise<void> {
    for (let seen = 0; seen < remindersARound; seen += remindersAtATime) {
      const { rows } = await this.pool.query<{ last: string | null; seen: number }>(
        forgetRemindersSql,
        [this.lastReminder, remindersAtATime, this.settings.eventRetentionDays],
      );
      const piece = rows[0]!;
      this.lastReminder = piece.seen < remindersAtATime ? '0' : piece.last!;
      if (this.lastReminder === '0') return;
    }
  }

  /** Drops partitions past retention that nobody needs any more; each in a short transaction of its own. */
  async dropExpired(now?: Date): Promise<void> {
    const today = now ?? (await databaseTime(this.pool));
    for (const table of partitionedTables) {
      const days = retentionOf(table, this.settings);
      const cutoff = new Date(today.getTime() - days * dayMs);
      const expired = await this.pool.transaction(async (client) =>
        (await partitionsOf(client, table)).filter(({ to }) => to <= cutoff),
      );
      // Oldest first: a later one must not go while an earlier one has to stay, or history has a hole.
      for (const partition of expired) {
        if (table === 'events') await this.giveUpStranded(partition);
        const dropped = await this.pool.transactionAsOwner((client) =>
          this.drop(client, partition),
        );
        if (!dropped) break;
        this.logger.info({ partition: partition.name }, 'dropped a partition past its retention');
      }
    }
  }

  private async drop(client: PoolClient, { table, name, from, to }: Partition): Promise<boolean> {
    // Dropping waits for every reader of the table; rather try again later than make writers queue behind it.
    await client.query(`set local lock_timeout = '3s'`);
    const bounds = await boundsOf(client, from, to);
    if (table === 'events') {
      if (await this.isNeeded(client, eventsNeededSql, bounds.to)) return false;
      if (await this.isUnread(client, name)) return false;
      await client.query(
        `update log_retention set (generation, xact_id, seq) = (last.generation, last.xact_id, last.seq)
         from (select generation, xact_id, seq from ${name} order by generation desc, xact_id desc, seq desc limit 1) as last
         where (log_retention.generation, log_retention.xact_id, log_retention.seq)
             < (last.generation, last.xact_id, last.seq)`,
      );
    } else if (
      table !== 'disclosures' &&
      (await this.isNeeded(client, deliveriesOpenSql, bounds.to))
    ) {
      return false;
    }
    await client.query(`drop table ${name}`);
    return true;
  }

  private async isNeeded(client: PoolClient, sql: string, bound: string): Promise<boolean> {
    const { rows } = await client.query<{ needed: boolean }>(sql, [bound]);
    return rows[0]!.needed;
  }

  /** Whether the bus in use still has to bring any event of a partition to somebody. */
  private async isUnread(client: PoolClient, name: string): Promise<boolean> {
    const { generation, xactId, seq } = await this.bus.consumedThrough();
    const { rows } = await client.query<{ unread: boolean }>(
      `select exists (select from ${name} where (generation, xact_id, seq) > ($1::int, $2::xid8, $3::bigint)) as unread`,
      [generation, xactId, seq],
    );
    return rows[0]!.unread;
  }

  /** Batch by batch: one long update would hold the log's horizon, and with it every reader. */
  private async giveUpStranded({ from, to }: Partition): Promise<void> {
    const bounds = await this.pool.transaction((client) => boundsOf(client, from, to));
    await this.repeat(giveUpStrandedSql, [bounds.to]);
  }

  /** A statement that handles a bounded piece, until nothing is left. */
  private async repeat(sql: string, values: unknown[] = []): Promise<void> {
    while (((await this.pool.query(sql, values)).rowCount ?? 0) > 0);
  }
}

/** Makes sure that today's and the coming days' partitions exist. Hubs that start together take turns. */
export async function preparePartitions(pool: EnginePool, settings: Settings): Promise<void> {
  const now = await databaseTime(pool);
  const today = new Date(Math.floor(now.getTime() / dayMs) * dayMs);
  await pool.transactionAsOwner(async (client) => {
    await client.query(`select pg_advisory_xact_lock(hashtextextended('partitions', 2))`);
    // Attaching locks the default partition: behind a long reader, a dump say, everybody else would queue.
    await client.query(`set local lock_timeout = '3s'`);
    for (const table of partitionedTables) {
      const days = partitionDays(retentionOf(table, settings));
      await createAhead(client, table, today, days);
    }
  });
}

async function databaseTime(pool: EnginePool): Promise<Date> {
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
  return rows[0]!.now;
}
