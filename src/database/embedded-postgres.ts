import pg from 'pg';
import { prepareBinaries } from './embedded/binaries.js';
import { ensureCluster, ensurePassword, HUB_ROLE } from './embedded/cluster.js';
import { resolveDataPlace } from './embedded/data-place.js';
import { type HubLock, lockData } from './embedded/hub-lock.js';
import { stopOrphans } from './embedded/orphans.js';
import { SupervisedServer } from './embedded/supervised-server.js';

const DATABASE = 'hub';

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
  if (place.elsewhere) {
    log(
      `${dataDir} is out of reach for the user PostgreSQL runs as; the data is in ${place.folder}`,
    );
  }
  const password = await ensurePassword(place);
  const lock = await lockData(place, password);
  let server: SupervisedServer | undefined;
  try {
    const binaries = await prepareBinaries(place, log);
    await stopOrphans(place, log);
    await ensureCluster(place, binaries, password, durable, log);
    server = await SupervisedServer.start(place, binaries, durable, log);
    const address = `${HUB_ROLE}:${password}@127.0.0.1:${server.port}`;
    await ensureDatabase(`postgres://${address}/postgres`);
    return {
      url: `postgres://${address}/${DATABASE}`,
      version: binaries.version,
      dataDir: place.folder,
      stop: stopOnce(server, lock),
    };
  } catch (error) {
    await server?.stop();
    await lock.release();
    throw error;
  }
}

function stopOnce(server: SupervisedServer, lock: HubLock): () => Promise<void> {
  let stopped: Promise<void> | undefined;
  return () => (stopped ??= server.stop().finally(() => lock.release()));
}

async function ensureDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client({
    connectionString: adminUrl,
    connectionTimeoutMillis: 10_000,
    query_timeout: 60_000,
  });
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
