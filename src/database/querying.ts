import type { EntityManager } from 'typeorm';

/** Runs a statement: a pool, a client of it, or a test's. */
export interface Querying {
  query<R extends object>(query: {
    name?: string;
    text: string;
    values?: unknown[];
  }): Promise<{ rows: R[] }>;
}

/** The same over the ORM's connections, in whatever transaction the manager is. */
export function over(manager: Pick<EntityManager, 'query'>): Querying {
  return { query: async ({ text, values }) => ({ rows: await manager.query(text, values) }) };
}
