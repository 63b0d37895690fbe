import pg from 'pg';

/**
 * A pool's connection that can break at any moment. Between the moment it is ready and the moment its user has it,
 * nobody listens to its errors: a server that ends it just then (it restarts) would end the whole process.
 * Whoever uses it learns of the break by the failure of the next query.
 *
 * A query is sent without waiting for the answers of those before it; the server takes them one after the other.
 */
export class PooledClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    const settings = typeof config === 'string' ? { connectionString: config } : config;
    super({ ...settings, pipeline: true });
    this.on('error', () => undefined);
  }

  /**
   * Lets everything that is sent before the event loop goes on leave in one packet. Sent one by one, each statement
   * is a system call here and wakes the server's process, which costs more than most of the statements themselves.
   */
  gather(): void {
    const { stream } = this.connection;
    if (stream.writableCorked > 0) return;
    stream.cork();
    process.nextTick(() => stream.uncork());
  }
}
