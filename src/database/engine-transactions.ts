import { Injectable } from '@nestjs/common';
import { EnginePool } from './engine-pool.js';
import { Signals } from './signals.js';
import type { EventTx } from './transactions.js';

/**
 * Opens the engine's transactions that write events. They take the engine's connections, so that what the hub says by
 * itself neither waits behind a burst of requests nor takes the connections that answer them.
 */
@Injectable()
export class EngineTransactions {
  constructor(
    private readonly pool: EnginePool,
    private readonly signals: Signals,
  ) {}

  /** Runs `work` in one READ COMMITTED transaction. It takes the practices' locks itself, before it writes anything. */
  async run<T>(work: (tx: EventTx) => Promise<T>): Promise<T> {
    const data: { emitted?: boolean } = {};
    const result = await this.pool.transaction((client) =>
      work({
        query: async (sql, parameters) => (await client.query(sql, parameters)).rows as never,
        queryRunner: { data },
      }),
    );
    if (data.emitted) this.signals.emit('events');
    return result;
  }
}
