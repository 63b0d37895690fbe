import type pg from 'pg';
import type { Settings } from '../platform/settings.js';
import { AuditKeyError, auditKeyFileOf, HeadKey } from './head-key.js';
import { knownKeysSql, noteKeySql } from './sql/signing-keys.js';
import { writeEntriesSql } from './sql/write.js';

/**
 * Notes with which key a hub signs, in a transaction of the caller's. One that no hub has signed this database's trail
 * with before goes on record there: whoever puts a key of their own in its place shows.
 * @returns whether it came after others
 */
export async function noteSigningKey(client: pg.ClientBase, key: HeadKey): Promise<boolean> {
  const { rows } = await client.query<{ is_new: boolean; others: boolean }>(noteKeySql, [
    key.publicKey,
  ]);
  const { is_new: isNew, others } = rows[0]!;
  if (!isNew) return false;
  const entry = {
    action: 'setting.changed',
    actor: 'system/start',
    subject: 'settings/auditKey',
    detail: { from: null, to: key.publicKey },
  };
  await client.query(writeEntriesSql, [JSON.stringify([entry])]);
  return others;
}

/**
 * The key that a command signs with, which is a hub's: of one that it made itself nobody who verifies would know.
 * @throws AuditKeyError where there is none, or another than any hub has signed this database's trail with.
 */
export async function signingKeyOfCommand(
  client: pg.ClientBase,
  settings: Settings,
): Promise<HeadKey> {
  const { rows } = await client.query<{ key: string }>(knownKeysSql);
  const known = rows.map(({ key }) => key);
  const key = await HeadKey.loadExisting(settings).catch((error: unknown) => {
    if (!(error instanceof AuditKeyError)) throw error;
    const told = known.length > 0 ? ` The hub's public key is ${known.join(' or ')}.` : '';
    throw new AuditKeyError(`${error.message}${told} A command makes none of its own.`);
  });
  // None where no hub of a version that notes them has started yet.
  if (known.length === 0 || known.includes(key.publicKey)) return key;
  throw new AuditKeyError(
    `${auditKeyFileOf(settings)} holds the key ${key.publicKey}, and hubs sign this database's audit trail with ${known.join(' or ')}. HUB_AUDIT_KEY_FILE or HUB_DATA_DIR says where that is. A new key counts once a hub has started with it.`,
  );
}
