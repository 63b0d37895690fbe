import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readlink, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type DataPlace, giveToOwner } from './data-place.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { processExists } from './orphans.js';

const HEARTBEAT_MS = 1_000;

export interface HubLock {
  release(): Promise<void>;
}

interface Holder {
  pid: number;
  /** Machine and namespaces: only within the same ones do a pid and the kernel's lock mean anything. */
  host: string;
}

/**
 * One hub per data folder. On Linux the kernel holds the lock: a socket in the abstract namespace, which
 * ends with its process however that ends, so it cannot go stale. `hub.lock` beside it says who holds it,
 * and its heartbeat tells where the kernel cannot: on macOS, and between containers that share a volume.
 * @param secret known to the owner of the data only, so that no other user can take the name first
 * @throws EmbeddedPostgresError `data_in_use`
 */
export async function lockData(place: DataPlace, secret: string): Promise<HubLock> {
  const file = join(place.folder, 'hub.lock');
  const socket = process.platform === 'linux' ? await bindLock(place, secret) : undefined;
  if (socket === null) throw inUse(place, await readHolder(file));
  try {
    const holder = await readHolder(file);
    if (holder && (await isAlive(holder, file, socket !== undefined))) throw inUse(place, holder);
    await writeHolder(file, place);
  } catch (error) {
    socket?.close();
    throw error;
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT_MS).unref();
  return {
    async release() {
      clearInterval(heartbeat);
      await rm(file, { force: true });
      socket?.close();
    },
  };
}

/** null when another process has it. */
async function bindLock(place: DataPlace, secret: string): Promise<Server | null> {
  // With the inode, so that a copied folder is a lock of its own.
  const { dev, ino } = await stat(place.folder);
  const name = createHash('sha256').update(`${secret}:${dev}:${ino}`).digest('hex');
  const server = createServer((connection) => connection.destroy());
  server.listen(`\0practice-event-hub-${name}`);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
    throw error;
  }
  return server.unref();
}

async function isAlive(holder: Holder, file: string, kernelSaysFree: boolean): Promise<boolean> {
  if (holder.host === (await thisHost())) {
    if (kernelSaysFree || !processExists(holder.pid)) return false;
  }
  // A pid of another container, or maybe one that was given to somebody else: is there a heartbeat?
  const before = await modified(file);
  await delay(HEARTBEAT_MS * 4);
  return (await modified(file)) !== before;
}

async function modified(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.mtimeMs,
    () => 0,
  );
}

async function thisHost(): Promise<string> {
  const namespaces = ['/proc/self/ns/pid', '/proc/self/ns/net'].map((path) =>
    readlink(path).catch(() => ''),
  );
  return [hostname(), ...(await Promise.all(namespaces))].join(' ').trim();
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

async function writeHolder(file: string, place: DataPlace): Promise<void> {
  const holder: Holder = { pid: process.pid, host: await thisHost() };
  const beside = `${file}.${process.pid}`;
  await writeFile(beside, JSON.stringify(holder), { mode: 0o600 });
  await giveToOwner(beside, place);
  await rename(beside, file);
}

function inUse(place: DataPlace, holder: Holder | undefined): EmbeddedPostgresError {
  const who = holder ? `process ${holder.pid}` : 'a process that is just starting';
  return new EmbeddedPostgresError(
    'data_in_use',
    `Another hub (${who}) uses the data in ${place.folder}. Stop it first, or give this hub a data folder ` +
      `of its own. Several hubs can share one database by DATABASE_URL.`,
  );
}
