import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readFile,
  realpath,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { EmbeddedPostgresError, USE_ANOTHER_SERVER } from './embedded-postgres-error.js';
import { exists, writeOnce } from './durable-files.js';
import { findServerAccount, isRoot, runAs, type ServerAccount } from './server-account.js';

/**
 * The folder that holds one embedded server: `data/` (of the account), `password`, `hub.lock`, and
 * `server.log`. Under root the folder stays root's and only `data/` is the account's, so that root
 * never writes where an unprivileged user could have put a link.
 */
export interface DataPlace {
  folder: string;
  data: string;
  account: ServerAccount;
  /** True when it is not the folder that was asked for. */
  elsewhere: boolean;
}

const POINTER = 'location';
const SYSTEM_FOLDER = '/var/lib/practice-event-hub';

/**
 * Where the data of `dataDir` lies. That is `dataDir` itself, unless root starts the hub below a
 * private home: then a folder below /var/lib that the account can reach, noted in `dataDir/location`.
 * Its name is random and not a hash of `dataDir`: who deletes `dataDir` means to start anew.
 * @throws EmbeddedPostgresError `data_missing`, `data_unreachable`, `data_not_accessible`
 */
export async function resolveDataPlace(dataDir: string): Promise<DataPlace> {
  try {
    await mkdir(dataDir, { recursive: true });
    const home = await realpath(dataDir);
    const pointer = await readPointer(home);
    const folder = pointer ?? home;
    if (!isRoot()) {
      await chmod(folder, 0o700);
      return { folder, data: join(folder, 'data'), account: null, elsewhere: folder !== home };
    }
    return await resolveForRoot(home, folder);
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error;
    const { code, path } = error as NodeJS.ErrnoException;
    throw new EmbeddedPostgresError(
      'data_not_accessible',
      `The hub cannot keep its data in ${path ?? dataDir} (${code}). If that belongs to another user (did the ` +
        `hub run as root before?), start the hub as that one; or remove it if its data may go, or ${USE_ANOTHER_SERVER}.`,
      { cause: error },
    );
  }
}

async function readPointer(home: string): Promise<string | undefined> {
  const pointer = join(home, POINTER);
  const text = await readFile(pointer, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const folder = text.trim();
  if (!folder) return undefined;
  await stat(folder).catch((cause: unknown) => {
    throw new EmbeddedPostgresError(
      'data_missing',
      `${pointer} says that the data is in ${folder}, which does not exist. Put that folder back, or ` +
        `remove ${pointer} to start with an empty database.`,
      { cause },
    );
  });
  return folder;
}

async function resolveForRoot(home: string, folder: string): Promise<DataPlace> {
  const account = await accountFor(folder);
  const data = join(folder, 'data');
  await chmod(folder, 0o711);
  if (await canReach(account, folder)) return { folder, data, account, elsewhere: folder !== home };
  if (await exists(data)) {
    throw new EmbeddedPostgresError(
      'data_unreachable',
      `PostgreSQL runs as ${account.name} and cannot reach its data in ${folder} any more: a folder above ` +
        `is private. Allow others to pass through those folders (chmod o+x), or move the folder.`,
    );
  }
  const reachable = await placeElsewhere(home, account);
  return { folder: reachable, data: join(reachable, 'data'), account, elsewhere: true };
}

/** Who owns the data already; else who owns the folder, unless that is root. */
async function accountFor(folder: string): Promise<NonNullable<ServerAccount>> {
  for (const path of [join(folder, 'data'), folder]) {
    const found = await stat(path).catch(() => undefined);
    if (found && found.uid !== 0) {
      return { name: `user ${found.uid}`, uid: found.uid, gid: found.gid };
    }
  }
  return findServerAccount();
}

async function canReach(account: ServerAccount, folder: string): Promise<boolean> {
  return (await runAs(account, '/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], 10_000)).ok;
}

/**
 * Makes a folder that the account can reach and notes it in `home`. Never in the temporary folder: a
 * system may empty that at any time, and this is a database.
 */
async function placeElsewhere(home: string, account: NonNullable<ServerAccount>): Promise<string> {
  if ((await ensureOwnFolder(SYSTEM_FOLDER)) && (await canReach(account, SYSTEM_FOLDER))) {
    const folder = join(SYSTEM_FOLDER, randomBytes(6).toString('hex'));
    await mkdir(folder);
    await chmod(folder, 0o711);
    await writeFile(join(folder, 'origin'), `${home}\n`);
    const first = await writeOnce(join(home, POINTER), `${folder}\n`);
    if (!first) await rm(folder, { recursive: true });
    return (await readPointer(home)) ?? folder;
  }
  throw new EmbeddedPostgresError(
    'data_unreachable',
    `PostgreSQL refuses to run as root, and ${account.name}, as which it runs instead, can reach neither ` +
      `the hub's folder nor ${SYSTEM_FOLDER}. Move the hub out of the private folder, start it as an ordinary ` +
      `user, or ${USE_ANOTHER_SERVER}.`,
  );
}

/** The folder, if it is ours alone to write to. */
async function ensureOwnFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o711 });
    const found = await lstat(folder);
    if (!found.isDirectory() || found.uid !== process.geteuid?.()) return false;
    await chmod(folder, 0o711);
    return true;
  } catch {
    return false;
  }
}

/** Gives what root has just made to whoever owns the place, so that this user can go on without root. */
export async function giveToOwner(path: string, place: DataPlace): Promise<void> {
  if (!place.account) return;
  const { uid, gid } = await stat(place.folder);
  await chown(path, uid, gid);
}
