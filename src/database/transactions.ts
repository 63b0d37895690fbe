import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Signals } from './signals.js';

/** A transaction that is under way. Whatever must commit together takes the same one. */
export type Tx = EntityManager;

/** As much of a transaction as writing events takes: the API's are such, and the engine's, which know no entities. */
export interface EventTx {
  /** Resolves to the rows. */
  query<T>(sql: string, parameters?: unknown[]): Promise<T>;
  readonly queryRunner?: { data: { emitted?: boolean; now?: Date } };
}

/** Notes that `tx` wrote events, so that readers are woken once it has committed. */
export function markEmitted(tx: EventTx): void {
  tx.queryRunner!.data.emitted = true;
}

/** Opens the transactions in which facts become true. */
@Injectable()
export class Transactions {
  constructor(
    private readonly dataSource: DataSource,
    private readonly signals: Signals,
  ) {}

  /**
   * Runs `work` in one READ COMMITTED transaction that holds the locks of `practiceIds`; what is of no practice is
   * locked by its subject (`endpoints/{id}`).
   *
   * The locks come before anything that assigns a transaction id: the log is ordered by those ids, and they
   * follow the first write, so without this racing writers about one subject come out inverted (12 % did, with
   * an idempotency row written first). Several practices are locked in key order, so that two transactions
   * cannot wait for each other.
   */
  async run<T>(practiceIds: readonly string[], work: (tx: Tx) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    try {
      await runner.connect();
      await runner.startTransaction('READ COMMITTED');
      if (practiceIds.length > 0) await lockPractices(runner.manager, practiceIds);
      const result = await work(runner.manager);
      await runner.commitTransaction();
      if (runner.data.emitted) this.signals.emit('events');
      return result;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }
}

/** Takes the practices' locks until the transaction ends. Must come before its first write. */
export async function lockPractices(tx: EventTx, practiceIds: readonly string[]): Promise<void> {
  const [{ now }] = await tx.query<[{ now: Date }]>(practiceLockSql, [practiceIds]);
  tx.queryRunner!.data.now = now;
}

/**
 * The database's clock, to the millisecond: in a transaction with locks the moment they were held, so that what
 * happens to a practice one after the other has rising times, whichever hub it came to.
 */
export async function databaseTime(tx: EventTx): Promise<Date> {
  const locked: Date | undefined = tx.queryRunner?.data.now;
  if (locked) return locked;
  const [{ now }] = await tx.query<[{ now: Date }]>(
    `select clock_timestamp()::timestamptz(3) as now`,
  );
  return now;
}

export const practiceLockSql = `
  select max(now) as now
  from (
    select pg_advisory_xact_lock(key), clock_timestamp()::timestamptz(3) as now
    from (select distinct hashtextextended(id, 0) as key from unnest($1::text[]) as id order by key) as keys
  ) as locks`;
