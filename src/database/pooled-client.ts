import pg from 'pg';

/**
 * A pool's connection that can break at any moment. Between the moment it is ready and the moment its user has it,
 * nobody listens to its errors: a server that ends it just then (it restarts) would end the whole process.
 * Whoever uses it learns of the break by the failure of the next query.
 */
export class PooledClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
