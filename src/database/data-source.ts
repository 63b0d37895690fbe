import pg from 'pg';
import {
  DefaultNamingStrategy,
  type DataSourceOptions,
  type NamingStrategyInterface,
} from 'typeorm';
import { ApiPool } from './api-pool.js';
import { actingAs, apiRole } from './roles.js';

/** `camelCase` in TypeScript and on the wire, `snake_case` in the database only. */
export class SnakeNaming extends DefaultNamingStrategy implements NamingStrategyInterface {
  override columnName(property: string, custom: string, prefixes: string[]): string {
    return snakeCase([...prefixes, custom || property].join('_'));
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** How many connections each part of one hub may hold; together never more than `total`. */
export function connectionBudget(total: number): { api: number; engine: number; signals: 2 } {
  const signals = 2;
  const api = Math.ceil(((total - signals) * 2) / 3);
  return { api, engine: total - signals - api, signals };
}

/**
 * What every connection of the hub is opened with. An idle open transaction would hold back the log's horizon
 * for every reader, so the server ends it.
 */
export const sessionOptions = {
  statement_timeout: 30_000,
  // The server's limit dies with the server: when its machine vanishes, these two end the wait.
  query_timeout: 35_000,
  keepAliveInitialDelayMillis: 10_000,
  idle_in_transaction_session_timeout: 30_000,
  connectionTimeoutMillis: 10_000,
  keepAlive: true,
  // Compiling a statement takes longer than any of the hub's runs.
  options: '-c jit=off',
} as const;

/** What is written past a hub belongs to no writer of the audit trail. */
export const noWriter = '00000000-0000-0000-0000-000000000000';

/** Tells a connection which writer its entries of the audit trail belong to, so that no statement needs to. */
export function auditWriterOption(writer: string): string {
  return `-c hub.audit_writer=${writer}`;
}

/** The connection pool behind the REST API: repositories and transactions. The schema is `migrate`'s alone. */
export function dataSourceOptions(
  url: string,
  connections: number,
  auditWriter: string = noWriter,
): DataSourceOptions {
  const options = `${sessionOptions.options} ${auditWriterOption(auditWriter)} ${actingAs(apiRole)}`;
  return {
    type: 'postgres',
    url,
    poolSize: connectionBudget(connections).api,
    applicationName: 'practice-event-hub api',
    namingStrategy: new SnakeNaming(),
    synchronize: false,
    driver: { ...pg, Pool: ApiPool },
    extra: { ...sessionOptions, options },
  };
}
