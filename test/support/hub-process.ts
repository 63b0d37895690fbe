import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { buildTestHub } from './build-hub.js';
import { createTestDatabase } from './postgres.js';
import { testMasterKey } from './sealed.js';
import { callApi, testKey, type ApiAnswer } from './start-hub.js';

const readyWithinMs = 60_000;
const stopWithinMs = 30_000;

export interface HubProcessOptions {
  /** Without one the hub brings its own PostgreSQL, with data in HUB_DATA_DIR. */
  databaseUrl?: string;
  settings?: Record<string, string>;
}

/** The real hub in a process of its own: what `npm start` runs, for whatever ends a process. */
export interface HubProcess {
  url: string;
  key: string;
  pid: number;
  /** Everything it has written to standard output and standard error. */
  output(): string;
  /** Calls the API as the operator does; a body makes it JSON. */
  api<T = any>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<ApiAnswer<T>>;
  /** Reads no more of it: what the hub writes from now on meets a broken pipe. */
  closeOutput(): void;
  /** SIGKILL; resolves when the process is gone. May be called more than once. */
  kill(): Promise<void>;
  /** SIGTERM. @throws when it does not end by itself in time and with success. */
  stop(): Promise<void>;
}

/** Starts a hub and waits until it says that it is ready. The caller must `kill` or `stop` it. */
export async function startHubProcess(options: HubProcessOptions): Promise<HubProcess> {
  const build = await buildTestHub();
  const leash = resolve('test/support/hub-leash.mjs');
  const child = spawn(process.execPath, ['--import', leash, join(build, 'main.js')], {
    // Where no .env lies.
    cwd: build,
    env: environment(options),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const kill = async () => {
    if (hasEnded(child)) return;
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  };
  try {
    const url = await ready(child, () => output);
    return {
      url,
      key: testKey,
      pid: child.pid!,
      output: () => output,
      closeOutput: () => {
        child.stdout!.destroy();
        child.stderr!.destroy();
      },
      api: (method, path, body, headers) => callApi(url, testKey, method, path, body, headers),
      kill,
      stop: () => stop(child, kill, () => output),
    };
  } catch (error) {
    await kill();
    throw error;
  }
}

/** Nothing of the run's own environment that the hub would take for its settings. */
function environment({ databaseUrl, settings }: HubProcessOptions): NodeJS.ProcessEnv {
  const { PATH, HOME, LD_LIBRARY_PATH, TMPDIR, TEST_KAFKA_PORT, TEST_LOG_LEVEL } = process.env;
  return {
    PATH,
    HOME,
    LD_LIBRARY_PATH,
    TMPDIR,
    TEST_KAFKA_PORT,
    ...(databaseUrl && { DATABASE_URL: databaseUrl }),
    HOST: '127.0.0.1',
    PORT: '0',
    HUB_OPERATOR_KEY: testKey,
    HUB_MASTER_KEY: testMasterKey,
    HUB_ALLOW_NETWORKS: '127.0.0.0/8,::1/128',
    HUB_LEASE_SECONDS: '2',
    HUB_DATABASE_CONNECTIONS: '12',
    HUB_LOG_LEVEL: TEST_LOG_LEVEL ?? 'warn',
    ...settings,
  };
}

/** Resolves to the address it names. */
function ready(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => () => {
      clearTimeout(timer);
      reject(new Error(`A hub ${what}. It said last:\n${output().slice(-4_000)}`));
    };
    const timer = setTimeout(fail('did not get ready'), readyWithinMs);
    child.once('close', fail('ended while it started'));
    child.stdout!.on('data', function look() {
      const url = /is ready at (\S+)/.exec(output())?.[1];
      if (!url) return;
      child.stdout!.off('data', look);
      clearTimeout(timer);
      resolve(url);
    });
  });
}

async function stop(
  child: ChildProcess,
  kill: () => Promise<void>,
  output: () => string,
): Promise<void> {
  if (hasEnded(child))
    throw new Error(`The hub had ended already. It said last:\n${output().slice(-4_000)}`);
  const ended = once(child, 'close', { signal: AbortSignal.timeout(stopWithinMs) });
  child.kill('SIGTERM');
  try {
    const [code] = await ended;
    if (code !== 0) throw new Error(`it exited with ${code}`);
  } catch (error) {
    await kill();
    throw new Error(`The hub did not stop as it should. It said last:\n${output().slice(-4_000)}`, {
      cause: error,
    });
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** A database with hubs on it, each in a process of its own. */
export interface HubStage {
  databaseUrl: string;
  /** A pool of the test's own. */
  database: pg.Pool;
  /** Starts a hub on the database, with the stage's settings and these. */
  startHub(settings?: Record<string, string>): Promise<HubProcess>;
  /** Kills the hubs that are left and removes the database. */
  close(): Promise<void>;
}

export async function openHubStage(settings: Record<string, string> = {}): Promise<HubStage> {
  const { url, drop } = await createTestDatabase();
  const database = new pg.Pool({ connectionString: url, max: 4 });
  database.on('error', () => undefined);
  const hubs: HubProcess[] = [];
  return {
    databaseUrl: url,
    database,
    startHub: async (more = {}) => {
      const hub = await startHubProcess({ databaseUrl: url, settings: { ...settings, ...more } });
      hubs.push(hub);
      return hub;
    },
    close: async () => {
      await Promise.all(hubs.map((hub) => hub.kill()));
      await database.end();
      await drop();
    },
  };
}
