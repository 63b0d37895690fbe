import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { EnginePool } from '../../database/engine-pool.js';
import { hashOfKey } from './api-key.js';

/** Hashes of the keys that open the API. Keys are random and long, so a plain digest cannot be guessed back. */
export class OperatorKeys {
  constructor(private readonly hashes: readonly Buffer[]) {}

  /**
   * In constant time, so that an answer's delay tells nothing about the key.
   * @param given the digest of a key
   */
  accepts(given: Buffer): boolean {
    let accepted = false;
    for (const hash of this.hashes) accepted = timingSafeEqual(hash, given) || accepted;
    return accepted;
  }
}

/**
 * The operator's key: the configured one, or one made at the first start and kept hashed.
 * @returns `created` only when it was made just now; it is never shown again.
 */
export async function loadOperatorKeys(
  pool: EnginePool,
  configured: string | undefined,
): Promise<{ keys: OperatorKeys; created?: string }> {
  if (configured) return { keys: new OperatorKeys([hashOfKey(configured)]) };
  const created = `hub_live_${randomBytes(24).toString('base64url')}`;
  const rowCount = await pool.transaction(async (client) => {
    // Hubs that start together on a new database: the second one finds the first one's key.
    await client.query(`select pg_advisory_xact_lock(hashtextextended('operator key', 2))`);
    const result = await client.query(
      `insert into operator_keys (key_hash) select $1 where not exists (select from operator_keys)`,
      [hashOfKey(created)],
    );
    return result.rowCount;
  });
  const { rows } = await pool.query<{ key_hash: Buffer }>('select key_hash from operator_keys');
  const keys = new OperatorKeys(rows.map(({ key_hash }) => key_hash));
  return rowCount === 1 ? { keys, created } : { keys };
}

/** For a start that fails before the key it made could be shown: the next one makes another. */
export async function forgetOperatorKeys(pool: EnginePool): Promise<void> {
  await pool.query('delete from operator_keys');
}
