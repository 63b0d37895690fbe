import { Injectable } from '@nestjs/common';
import type pg from 'pg';
import { EnginePool } from './engine-pool.js';
import type { PooledClient } from './pooled-client.js';
import { Signals } from './signals.js';
import type { EventTx, TxState } from './transactions.js';

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
    const [result, emitted] = await this.pool.transaction(async (client) => {
      // The pool makes its clients of this class.
      const data: TxState = { client: client as pg.PoolClient & PooledClient, sent: [] };
      const tx: EventTx = {
        query: async (sql, parameters) => (await client.query(sql, parameters)).rows as never,
        queryRunner: { data },
      };
      return [await work(tx), data.emitted];
    });
    if (emitted) this.signals.emit('events');
    return result;
  }
}
