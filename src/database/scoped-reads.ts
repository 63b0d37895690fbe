import { Injectable } from '@nestjs/common';
import type { Pool, PoolClient } from 'pg';
import { DataSource, EntityManager, type QueryRunner } from 'typeorm';
import type { ApiClient } from './api-pool.js';
import { scopeOfPractices, type Scope } from './scope.js';

/** As much of a pool as reading past the ORM takes. */
export type Connections = Pick<Pool, 'connect' | 'query'>;

const stablePlans = `set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off`;

/**
 * Reads of the API outside of transactions. Who reads says for whom; `DataSource.manager` says nothing, and what is
 * separated by practice or owner is empty there.
 */
@Injectable()
export class ScopedReads {
  constructor(private readonly dataSource: DataSource) {}

  /** Of one practice. @throws TypeError for what is no id */
  ofPractice(practiceId: string): EntityManager {
    return this.within(scopeOfPractices([practiceId]));
  }

  /** As `DataSource.manager`: each statement takes a connection, and gives it back. */
  within(scope: Scope): EntityManager {
    // All that an entity manager needs a connection for comes through here.
    const source: DataSource = Object.create(this.dataSource, {
      createQueryRunner: { value: () => scoped(this.dataSource.createQueryRunner(), scope) },
    });
    return new EntityManager(source);
  }

  /**
   * One statement on a plan that is made without looking at its values, as the engine's are (engine-pool.ts): for rows
   * that are newer than any statistics, which would be taken for none and looked for in the wrong index.
   */
  async steady<Row extends object>(scope: Scope, sql: string, values: unknown[]): Promise<Row[]> {
    const client = await this.connections(scope).connect();
    let broken: Error | undefined;
    try {
      await client.query(`begin read only; ${stablePlans}`);
      return (await client.query<Row>(sql, values)).rows;
    } finally {
      // Nothing was written, and the settings end with it.
      await client.query('rollback').catch((error: Error) => (broken = error));
      client.release(broken);
    }
  }

  /** The same past the ORM, for statements that are planned once per connection. */
  connections(scope: Scope): Connections {
    const pool = (this.dataSource.driver as unknown as { master: Pool }).master;
    const connect = async () => {
      const client = await pool.connect();
      (client as PoolClient & ApiClient).scopeTo(scope);
      return client;
    };
    const query = async (...parameters: never[]) => {
      const client = await connect();
      try {
        return await (client.query as (...parameters: never[]) => Promise<unknown>)(...parameters);
      } finally {
        client.release();
      }
    };
    return { connect, query } as Connections;
  }
}

function scoped(runner: QueryRunner, scope: Scope): QueryRunner {
  const connect = runner.connect.bind(runner) as () => Promise<ApiClient>;
  runner.connect = async () => {
    const client = await connect();
    client.scopeTo(scope);
    return client;
  };
  return runner;
}
