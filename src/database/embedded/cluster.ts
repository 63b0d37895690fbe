import { randomBytes } from 'node:crypto';
import { chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Binaries } from './binaries.js';
import { type DataPlace, giveToOwner } from './data-place.js';
import { exists, syncFolder, writeOnce } from './durable-files.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { cannotSwitchUser, runAs } from './server-account.js';

/** The database role of the hub: the cluster is its own, so it is the superuser. */
export const HUB_ROLE = 'hub';

/** Defaults that an operator may change in `data/postgresql.conf`. */
const TUNABLE = {
  max_connections: '100',
  shared_buffers: '128MB',
  max_wal_size: '1GB',
  wal_compression: 'on',
};

/** The password of the cluster, made at the first start and kept in `password`, readable by its owner only. */
export async function ensurePassword(place: DataPlace): Promise<string> {
  const file = join(place.folder, 'password');
  if (!(await exists(file))) {
    if (await exists(place.data)) {
      throw new EmbeddedPostgresError(
        'data_missing',
        `${file} is missing, so the data beside it cannot be opened. Put the file back from a backup, or ` +
          `move ${place.folder} away to start with an empty database.`,
      );
    }
    const first = await writeOnce(file, randomBytes(24).toString('base64url'));
    if (first) await giveToOwner(file, place);
  }
  return (await readFile(file, 'utf8')).trim();
}

/**
 * Makes the cluster unless it exists. UTF-8 with code point order, the same on every machine whatever
 * locales it has: the order of a list and the use of an index must not depend on the host.
 * @throws EmbeddedPostgresError `init_failed`, `data_version`
 */
export async function ensureCluster(
  place: DataPlace,
  binaries: Binaries,
  password: string,
  durable: boolean,
  log: (message: string) => void,
): Promise<void> {
  if (await exists(place.data)) return refuseOtherVersion(place, binaries);
  for (const left of await readdir(place.folder)) {
    // The initdb of a killed hub may still be writing there for a moment.
    if (left.startsWith('init-')) {
      await rm(join(place.folder, left), { recursive: true, maxRetries: 10, retryDelay: 200 });
    }
  }
  const started = performance.now();
  log(`creating a PostgreSQL ${binaries.version} cluster in ${place.folder}`);
  // Made beside and renamed: a hub killed half-way leaves no half-made cluster behind.
  const beside = join(place.folder, `init-${randomBytes(4).toString('hex')}`);
  const passwordFile = `${beside}-password`;
  await mkdir(beside, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (place.account) {
    const { name, uid, gid } = place.account;
    for (const path of [beside, passwordFile]) {
      await chown(path, uid, gid).catch((error: unknown) => {
        throw cannotSwitchUser(name, error);
      });
    }
  }
  const result = await runAs(place.account, binaries.initdb, initArguments(), 300_000);
  await rm(passwordFile, { force: true });
  if (!result.ok) {
    await rm(beside, { recursive: true, force: true });
    throw new EmbeddedPostgresError(
      'init_failed',
      `initdb could not make a cluster in ${place.folder}: ${result.output.trim().slice(-2000)}`,
    );
  }
  await rename(beside, place.data);
  await syncFolder(place.folder);
  log(`created in ${((performance.now() - started) / 1000).toFixed(1)} s`);

  function initArguments(): string[] {
    return [
      `--pgdata=${beside}`,
      `--username=${HUB_ROLE}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
      ...(durable ? [] : ['--no-sync']),
      ...Object.entries(TUNABLE).map(([name, value]) => `--set=${name}=${value}`),
    ];
  }
}

async function refuseOtherVersion(place: DataPlace, binaries: Binaries): Promise<void> {
  const text = await readFile(join(place.data, 'PG_VERSION'), 'utf8').catch((cause: unknown) => {
    throw new EmbeddedPostgresError(
      'data_missing',
      `${place.data} is not a PostgreSQL data folder (it has no readable PG_VERSION). Put it back from a ` +
        `backup, or move ${place.folder} away to start with an empty database.`,
      { cause },
    );
  });
  const written = text.trim();
  const ours = binaries.version.split('.')[0];
  if (written === ours) return;
  throw new EmbeddedPostgresError(
    'data_version',
    [
      `The data in ${place.data} was written by PostgreSQL ${written}; this hub brings PostgreSQL ${ours}, which cannot read it.`,
      'To move it:',
      `  1. start it with PostgreSQL ${written} (the hub's earlier release, or: pg_ctl -D ${place.data} start); the`,
      `     user is ${HUB_ROLE}, the password is in ${join(place.folder, 'password')}`,
      `  2. pg_dump --format=custom --file=hub.dump --dbname=<its URL>, then stop it`,
      `  3. move ${place.folder} away and start this hub once, which makes an empty database and prints its URL`,
      `  4. pg_restore --clean --if-exists --dbname=<the new URL> hub.dump, and start the hub again`,
    ].join('\n'),
  );
}
