import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { PoolClient } from 'pg';
import { EnginePool } from '../database/engine-pool.js';
import { Leases } from '../database/leases.js';
import { Logger } from '../platform/logger.js';
import { Settings } from '../platform/settings.js';
import { anchorsSql, expiredPartitionsSql, writeDroppedSql } from './sql/retention.js';

const everyMs = 3_600_000;

/** Makes this and the next quarter's partitions. */
export async function prepareAuditPartitions(pool: EnginePool): Promise<void> {
  await pool.transactionAsOwner(async (client) => {
    await client.query(`select pg_advisory_xact_lock(hashtextextended('partitions', 2))`);
    await client.query(`set local lock_timeout = '3s'`);
    await client.query('select hub_audit_partitions(clock_timestamp())');
  });
}

/** Drops quarters of the trail that are past their retention. One hub at a time. */
@Injectable()
export class AuditRetention {
  private readonly holder = randomUUID();

  constructor(
    private readonly pool: EnginePool,
    private readonly leases: Leases,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {}

  @Interval(everyMs)
  async tick(): Promise<void> {
    try {
      const lease = await this.leases.take('audit-retention', this.holder);
      if (!lease) return;
      await prepareAuditPartitions(this.pool);
      await this.dropExpired();
      await this.leases.release(lease);
    } catch (error) {
      this.logger.warn({ err: error }, 'the audit trail’s partitions were not looked after');
    }
  }

  /**
   * Drops what lies wholly before the retention's end, and says so in the trail itself, with the blocks on which the
   * chains go on: whoever verifies can tell it from what somebody else has removed.
   * @param now the database's clock where absent
   */
  async dropExpired(now?: Date): Promise<void> {
    const dropped = await this.pool.transactionAsOwner(async (client) => {
      const { rows } = await client.query<{ name: string; ends: Date }>(expiredPartitionsSql, [
        now ?? null,
        this.settings.auditRetentionYears,
      ]);
      if (rows.length === 0) return [];
      // Dropping waits for every reader of the table; rather later than making writers queue behind it.
      await client.query(`set local lock_timeout = '3s'`);
      const before = new Date(Math.max(...rows.map(({ ends }) => ends.getTime())));
      const partitions = rows.map(({ name }) => name);
      const detail = { before, anchors: await anchorsAt(client, before), partitions };
      await client.query(writeDroppedSql, [this.pool.auditWriter, JSON.stringify(detail)]);
      // Identifiers cannot be parameters; these are the catalogue's own.
      for (const name of partitions) await client.query(`drop table ${name}`);
      return partitions;
    });
    for (const partition of dropped) {
      this.logger.info({ partition }, 'dropped a partition past its retention');
    }
  }
}

async function anchorsAt(
  client: PoolClient,
  before: Date,
): Promise<Record<string, { number: number; hash: string }>> {
  const { rows } = await client.query<{ writer: string; number: string; hash: Buffer }>(
    anchorsSql,
    [before],
  );
  return Object.fromEntries(
    rows.map(({ writer, number, hash }) => [
      writer,
      { number: Number(number), hash: hash.toString('hex') },
    ]),
  );
}
