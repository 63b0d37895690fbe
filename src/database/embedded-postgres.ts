import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { prepareBinaries } from './embedded/binaries.js';
import { ensureCluster, ensurePassword, HUB_ROLE } from './embedded/cluster.js';
import { binaryCopiesFolder, resolveDataPlace } from './embedded/data-place.js';
import { lockData } from './embedded/hub-lock.js';
import { stopOrphans } from './embedded/orphans.js';
import { hasEnded, startServerProcess } from './embedded/server-process.js';

const DATABASE = 'hub';
const FAST_STOP_MS = 20_000;
const IMMEDIATE_STOP_MS = 5_000;

export interface EmbeddedPostgres {
  /** Of the database `hub`, with the password in it: never log it. */
  url: string;
  /** As PostgreSQL says it, e.g. `18.4`. */
  version: string;
  /** Where the data really lies; under root that can differ from the folder that was asked for. */
  dataDir: string;
  /** Ends the server cleanly and frees the data folder. May be called more than once. */
  stop(): Promise<void>;
}

/**
 * Starts a real PostgreSQL of the hub's own on loopback, with data kept in `dataDir` between starts.
 * `durable: false` gives up safety against a crash of the machine, for tests.
 * @throws EmbeddedPostgresError with a stable `code` and what to do
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  log: (message: string) => void;
  durable?: boolean;
}): Promise<EmbeddedPostgres> {
  const { dataDir, log, durable = true } = options;
  const place = await resolveDataPlace(dataDir);
  const password = await ensurePassword(place);
  const lock = await lockData(place, password);
  let child: ChildProcess | undefined;
  try {
    const binaries = await prepareBinaries(place.account, () => binaryCopiesFolder(place), log);
    await stopOrphans(place, log);
    await ensureCluster(place, binaries, password, durable, log);
    const server = await startServerProcess(place, binaries, durable, log);
    child = server.child;
    child.unref();
    const url = (database: string) =>
      `postgres://${HUB_ROLE}:${password}@127.0.0.1:${server.port}/${database}`;
    await ensureDatabase(url('postgres'));
    let stopped: Promise<void> | undefined;
    return {
      url: url(DATABASE),
      version: binaries.version,
      dataDir: place.folder,
      stop: () =>
        (stopped ??= endServer(server.child).then(async () => {
          await lock.release();
        })),
    };
  } catch (error) {
    if (child) await endServer(child);
    await lock.release();
    throw error;
  }
}

async function ensureDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(DATABASE)}`);
    }
  } finally {
    await client.end();
  }
}

/** Fast shutdown (SIGINT: clients are cut off, a checkpoint is written), then without the checkpoint. */
async function endServer(child: ChildProcess): Promise<void> {
  for (const [signal, waitMs] of [
    ['SIGINT', FAST_STOP_MS],
    ['SIGQUIT', IMMEDIATE_STOP_MS],
    ['SIGKILL', IMMEDIATE_STOP_MS],
  ] as const) {
    if (hasEnded(child)) return;
    const exit = once(child, 'exit');
    child.ref();
    child.kill(signal);
    const timer = new AbortController();
    await Promise.race([exit, delay(waitMs, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
  }
}
