import type pg from 'pg';
import { bindingOfKey } from './keys-at-hand.js';
import type { MasterKeys } from './master-keys.js';
import { masterKeysInUseSql } from './sql/data-keys.js';
import {
  destroySql,
  keyCountsSql,
  renewOwnSql,
  retireSql,
  rewrapSql,
  staleSql,
} from './sql/key-care.js';

/** As much of a connection as caring for keys takes. */
type Client = Pick<pg.ClientBase, 'query'>;

const atATime = 500;

export interface KeyStatus {
  /** By the id of the master key they are wrapped under. */
  wrapped: { id: string; count: number }[];
  /** Keys that seal, keys that only open, and keys that are destroyed. */
  active: number;
  retired: number;
  destroyed: number;
}

export async function keyStatus(client: Client): Promise<KeyStatus> {
  const { rows: wrapped } = await client.query<{ id: string; count: number }>(masterKeysInUseSql);
  const { rows } = await client.query<Omit<KeyStatus, 'wrapped'>>(keyCountsSql);
  return { wrapped, ...rows[0]! };
}

/**
 * Wraps every data key under the first master key, batch by batch and while hubs run: those hold data keys unwrapped,
 * and what is sealed stays as it is. Cut short, it goes on where it was. A key that is destroyed meanwhile stays so.
 * @returns how many it wrapped anew.
 * @throws MasterKeyMissing where one is wrapped under a master key that is not given.
 */
export async function rewrapAll(
  client: Client,
  master: MasterKeys,
  progress: (done: number, left: number) => void = () => undefined,
): Promise<number> {
  let done = 0;
  for (;;) {
    const { rows } = await client.query<{
      number: number;
      practice_id: string | null;
      wrapped: Buffer;
      master_key_id: string;
      left_over: number;
    }>(staleSql, [master.firstId, atATime]);
    if (rows.length === 0) return done;
    const anew = rows.map(({ practice_id, wrapped, master_key_id }) => {
      const binding = bindingOfKey(practice_id);
      return master.wrap(master.unwrap(wrapped, master_key_id, binding), binding).wrapped;
    });
    const { rowCount } = await client.query(rewrapSql, [
      rows.map(({ number }) => number),
      rows.map(({ master_key_id }) => master_key_id),
      anew,
      master.firstId,
    ]);
    done += rowCount ?? 0;
    progress(done, rows[0]!.left_over - rows.length);
  }
}

/**
 * Lets new data keys seal from now on: hubs make one for a practice with its next payload. The former ones go on
 * opening what they have sealed.
 * @returns how many seal no more.
 */
export async function renewDataKeys(
  client: Client,
  master: MasterKeys,
  own: Buffer,
): Promise<number> {
  const { wrapped, masterKeyId } = master.wrap(own, bindingOfKey(null));
  const { rows } = await client.query<{ last: number | null }>(
    'select max(number) as last from data_keys',
  );
  // In one statement: a hub without a key of its own could keep no answer and no secret.
  await client.query(renewOwnSql, [wrapped, masterKeyId]);
  let retired = 1;
  for (;;) {
    const { rowCount } = await client.query(retireSql, [atATime, rows[0]!.last]);
    if (!rowCount) break;
    retired += rowCount;
  }
  await tellHubs(client);
  return retired;
}

/** How many keys of a practice are not destroyed. */
export async function countKeysOf(client: Client, practiceId: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `select count(*)::int as count from data_keys where practice_id = $1 and destroyed_at is null`,
    [practiceId],
  );
  return rows[0]!.count;
}

/**
 * Destroys a practice's keys: nobody can read its history again. Hubs forget theirs within seconds, and withhold what
 * is still to be delivered. The table is written anew, since a row that was changed leaves its former self behind.
 * @param record puts it on record, in the same transaction
 * @returns how many keys that were.
 */
export async function shred(
  client: Client,
  practiceId: string,
  record: (destroyed: number) => Promise<void> = async () => undefined,
): Promise<number> {
  await client.query('begin');
  const { rowCount } = await client.query(destroySql, [practiceId]);
  await record(rowCount ?? 0);
  await client.query('commit');
  await tellHubs(client);
  await client.query('vacuum (full) data_keys');
  return rowCount ?? 0;
}

/** Hubs look by themselves every few seconds too. */
async function tellHubs(client: Client): Promise<void> {
  await client.query(`select pg_notify('hub_keys', 'command *')`);
}
