import pg from 'pg';
import { auditWriterOption, connectionBudget, noWriter, sessionOptions } from './data-source.js';
import { PooledClient } from './pooled-client.js';
import { actingAs, engineRole } from './roles.js';

/**
 * One plan for all values, made without looking at them, and rows looked up by index. The engine's statements are
 * written so that only one way is sane. With the values at hand the planner finds ids that are newer than any
 * statistics, takes them for no rows at all and joins in a loop: on an analysed table recording a batch took 195 ms
 * instead of 3, and was planned anew each time. A plan made while a table was nearly empty would read all of it,
 * however much it holds by then.
 */
const stablePlans = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off';

/**
 * The connections of the event engine (bus, fan-out, deliveries, reminders, housekeeping), apart from the API's,
 * so that neither a burst of requests nor a backlog of deliveries can starve the other.
 */
export class EnginePool extends pg.Pool {
  constructor(
    url: string,
    connections: number,
    /** Whose chain of the audit trail its entries belong to: one run of the hub. */
    readonly auditWriter: string = noWriter,
  ) {
    super({
      connectionString: url,
      max: connectionBudget(connections).engine,
      application_name: 'practice-event-hub engine',
      Client: PooledClient,
      ...sessionOptions,
      options: `${sessionOptions.options} ${stablePlans} ${auditWriterOption(auditWriter)} ${actingAs(engineRole)}`,
    });
    // An idle connection that breaks (the server restarts) is replaced at the next use.
    this.on('error', () => undefined);
  }

  /**
   * Runs `work` in one READ COMMITTED transaction; rolls back and rethrows when it throws.
   * A connection whose rollback fails is thrown away, not put back.
   */
  async transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await work(client);
      const { command } = await client.query('commit');
      // The answer to a commit after a statement that had failed, which PostgreSQL calls no error.
      if (command !== 'COMMIT') throw new Error('A statement of the transaction had failed');
      return result;
    } catch (error) {
      await client.query('rollback').catch((rollbackError: Error) => (broken = rollbackError));
      throw error;
    } finally {
      client.release(broken);
    }
  }
  /** As `transaction`, with the rights of the tables' owner: partitions are made and dropped by no other. */
  transactionAsOwner<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    return this.transaction(async (client) => {
      await client.query('set local role none');
      return work(client);
    });
  }
}
