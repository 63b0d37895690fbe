import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { exists, writeOnce } from '../database/embedded/durable-files.js';
import type { EnginePool } from '../database/engine-pool.js';
import { counted } from '../platform/counted.js';
import type { Settings } from '../platform/settings.js';
import { MasterKeyMissing, MasterKeys, newMasterKey } from './master-keys.js';
import { masterKeysInUseSql } from './sql/data-keys.js';

export interface LoadedMasterKeys {
  master: MasterKeys;
  /** Where they lie, if in a file. */
  file?: string;
  /** It was made just now. */
  isNew?: boolean;
}

/** The file that an embedded hub keeps its master key in, beside its database and not in it. */
export function masterKeyFileOf({ dataDir }: Pick<Settings, 'dataDir'>): string {
  return join(dataDir, 'master.key');
}

/**
 * The master keys of the settings. A hub with its embedded database makes one at its first start, which only the user
 * that runs it may read.
 * @throws MasterKeyMissing where there is none, or where data keys are wrapped under another one.
 */
export async function loadMasterKeys(
  settings: Settings,
  pool: Pick<EnginePool, 'query'>,
): Promise<LoadedMasterKeys> {
  const { rows: used } = await pool.query<{ id: string; count: number }>(masterKeysInUseSql);
  const loaded = await load(settings, used.length > 0);
  const lacking = used.filter(({ id }) => !loaded.master.ids.includes(id));
  if (lacking.length === 0) return loaded;
  const missing = lacking
    .map(({ id, count }) => `${id} (${counted(count, 'data key')})`)
    .join(', ');
  throw new MasterKeyMissing(
    `Data keys of this database are wrapped under master keys that the hub was not given: ${missing}. It was given ${loaded.master.ids.join(', ')}. ${howToGive}`,
  );
}

const howToGive =
  'Give it with HUB_MASTER_KEY or HUB_MASTER_KEY_FILE, beside others with commas between. Without it nothing that is sealed can be read again.';

/**
 * What the settings alone can tell, before the database is waited for and migrated.
 * @throws MasterKeyMissing with a database that is not embedded, where no setting names a key.
 */
export function assertMasterKeyGiven({ embedded, masterKey, masterKeyFile }: Settings): void {
  if (embedded || masterKey || masterKeyFile) return;
  throw new MasterKeyMissing(
    'The hub needs a master key, under which it encrypts what it keeps: set HUB_MASTER_KEY to what `openssl rand -base64 32` prints, or HUB_MASTER_KEY_FILE to a file with it, and keep a copy where no backup of the database lies.',
  );
}

async function load(settings: Settings, hasKeys: boolean): Promise<LoadedMasterKeys> {
  if (settings.masterKey) return { master: MasterKeys.of(settings.masterKey) };
  const { masterKeyFile } = settings;
  if (masterKeyFile) return { master: await MasterKeys.inFile(masterKeyFile), file: masterKeyFile };
  assertMasterKeyGiven(settings);
  const file = masterKeyFileOf(settings);
  const isThere = await exists(file);
  if (!isThere && hasKeys) {
    throw new MasterKeyMissing(`The master key of this database is missing: ${file}. ${howToGive}`);
  }
  if (!isThere) {
    await mkdir(settings.dataDir, { recursive: true });
    await writeOnce(file, `${newMasterKey()}\n`);
  }
  return { master: await MasterKeys.inFile(file), file, isNew: !isThere };
}

/** Whether others than its owner may read a file. */
export async function isOpenToOthers(file: string): Promise<boolean> {
  return ((await stat(file)).mode & 0o077) !== 0;
}
