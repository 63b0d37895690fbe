import { EnginePool } from '../src/database/engine-pool.js';
import { Signals } from '../src/database/signals.js';
import { Logger } from '../src/platform/logger.js';
import { DataKeys } from '../src/sealing/data-keys.js';
import { MasterKeys } from '../src/sealing/master-keys.js';

/** Of every hub that is measured: nothing it seals is anybody's. */
export const masterKey = Buffer.alloc(32, 'master key of benchmarks').toString('base64');

/** The data keys of a measured hub's database, for facts that are written past its API. */
export async function withKeys<T>(
  databaseUrl: string,
  signals: Signals,
  work: (keys: DataKeys) => Promise<T>,
): Promise<T> {
  const pool = new EnginePool(databaseUrl, 8);
  const master = MasterKeys.of([Buffer.from(masterKey, 'base64')]);
  const keys = new DataKeys(pool, master, signals, new Logger('silent'));
  try {
    await keys.start();
    return await work(keys);
  } finally {
    await keys.stop();
    await pool.end();
  }
}
