import 'reflect-metadata';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startHub, type RunningHub } from '../../src/hub.js';
import { Logger } from '../../src/platform/logger.js';
import { readSettings } from '../../src/platform/settings.js';
import { fetchWhole } from './fetch-whole.js';
import { createTestDatabase } from './postgres.js';
import { testMasterKey } from './sealed.js';

export interface ApiAnswer<T = any> {
  status: number;
  headers: Headers;
  body: T;
}

export interface TestHub {
  url: string;
  key: string;
  app: RunningHub['app'];
  databaseUrl: string;
  /** A pool of the test's own on the hub's database. */
  database: pg.Pool;
  /** Calls the API as the operator does; a body makes it JSON. */
  api<T = any>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<ApiAnswer<T>>;
  close(): Promise<void>;
}

/** A hub in whatever process, as far as it answers requests. */
export type Api = Pick<TestHub, 'api'>;

export const testKey = 'hub_live_the-operator-of-the-tests';

/** Where hubs of this process keep what is not in a database: the key and the heads of their audit trails. */
export const testDataDir = join(tmpdir(), `practice-event-hub-jest-${process.pid}-data`);

export interface TestHubOptions {
  /** A database that outlives this hub; without one the hub gets its own and drops it. */
  databaseUrl?: string;
  settings?: Record<string, string>;
}

/**
 * A real hub in this process, on a database of its own cloned from the migrated template. It may reach loopback,
 * where the tests' receivers listen, and its leases are short, so that take-overs need no patience.
 */
export async function startTestHub(options: TestHubOptions = {}): Promise<TestHub> {
  const own = options.databaseUrl ? undefined : await createTestDatabase();
  const databaseUrl = options.databaseUrl ?? own!.url;
  const settings = readSettings({
    DATABASE_URL: databaseUrl,
    HOST: '127.0.0.1',
    PORT: '0',
    HUB_OPERATOR_KEY: testKey,
    HUB_MASTER_KEY: testMasterKey,
    HUB_ALLOW_NETWORKS: '127.0.0.0/8,::1/128',
    HUB_LEASE_SECONDS: '2',
    HUB_DATABASE_CONNECTIONS: '12',
    HUB_DATA_DIR: testDataDir,
    ...options.settings,
  });
  const logger = new Logger(process.env.TEST_LOG_LEVEL ?? 'silent');
  const hub = await startHub(settings, logger);
  const database = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  database.on('error', () => undefined);
  return {
    url: hub.url,
    key: testKey,
    app: hub.app,
    databaseUrl,
    database,
    api: (method, path, body, headers) => callApi(hub.url, testKey, method, path, body, headers),
    close: async () => {
      await hub.close();
      await database.end();
      await own?.drop();
    },
  };
}

/** One request to a hub. Answers without a body have `undefined`. */
export async function callApi<T = any>(
  url: string,
  key: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<ApiAnswer<T>> {
  const answer = await fetchWhole(path.startsWith('http') ? path : `${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const { status, headers: sent, text } = answer;
  return { status, headers: sent, body: text ? JSON.parse(text) : undefined };
}
