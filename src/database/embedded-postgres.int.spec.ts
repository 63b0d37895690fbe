import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import {
  holdEmbeddedPostgres,
  type Holder,
  isRunning,
  serverPid,
} from '../../test/support/embedded-postgres-holder.js';
import { eventually } from '../../test/support/eventually.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.js';
import { EmbeddedPostgresError } from './embedded/embedded-postgres-error.js';

const execFileAsync = promisify(execFile);

let home: string;
let seed: string;
let folders = 0;
const cleanUps: (() => Promise<unknown>)[] = [];

/** A cluster of its own for each test, copied: making one takes a second. */
async function newDataDir(): Promise<string> {
  const folder = join(home, `hub-${++folders}`);
  await execFileAsync('cp', ['-a', seed, folder]);
  return folder;
}

async function start(dataDir: string, log: string[] = []): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({
    dataDir,
    durable: false,
    log: (line) => log.push(line),
  });
  cleanUps.push(() => server.stop());
  return server;
}

async function query<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}

async function refusal(starting: Promise<unknown>): Promise<EmbeddedPostgresError> {
  const error = await starting.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EmbeddedPostgresError);
  return error as EmbeddedPostgresError;
}

async function holder(dataDir: string): Promise<Holder> {
  const held = await holdEmbeddedPostgres(dataDir);
  cleanUps.push(() => held.kill());
  return held;
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'embedded-postgres-spec-'));
  // As root, PostgreSQL runs as another user, who has to come through here.
  await execFileAsync('chmod', ['711', home]);
  seed = join(home, 'seed');
  await (await startEmbeddedPostgres({ dataDir: seed, durable: false, log: () => {} })).stop();
});

afterAll(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
  await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
});

describe('the embedded PostgreSQL', () => {
  it('listens on loopback with a password of its own, in UTF-8 and UTC', async () => {
    const dataDir = await newDataDir();
    const server = await start(dataDir);
    const url = new URL(server.url);
    expect([url.hostname, url.pathname]).toEqual(['127.0.0.1', '/hub']);

    const [settings] = await query<object>(
      server.url,
      `SELECT current_setting('server_version') AS version,
              current_setting('server_encoding') AS encoding,
              current_setting('TimeZone') AS zone,
              current_setting('listen_addresses') AS addresses,
              current_setting('unix_socket_directories') AS sockets,
              current_setting('max_connections') AS connections`,
    );
    expect(settings).toEqual({
      version: server.version,
      encoding: 'UTF8',
      zone: 'UTC',
      addresses: '127.0.0.1',
      sockets: '',
      connections: '100',
    });

    const password = await stat(join(dataDir, 'password'));
    expect(password.mode & 0o777).toBe(0o600);
    url.password = 'guess';
    await expect(query(url.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    url.password = '';
    await expect(query(url.href, 'SELECT 1')).rejects.toThrow();
  });

  it('keeps its data from one start to the next, and leaves no process when stopped', async () => {
    const dataDir = await newDataDir();
    const first = await start(dataDir);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    const pid = await serverPid(dataDir);
    await Promise.all([first.stop(), first.stop()]);
    expect(await isRunning(pid)).toBe(false);

    const second = await start(dataDir);
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
  });

  it('writes no value of a statement into its log', async () => {
    const dataDir = await newDataDir();
    const server = await start(dataDir);
    await query(server.url, 'CREATE TABLE patient (name text PRIMARY KEY)');
    await query(server.url, `INSERT INTO patient VALUES ('Rex Surname')`);
    await expect(query(server.url, `INSERT INTO patient VALUES ('Rex Surname')`)).rejects.toThrow();
    await expect(query(server.url, `SELECT 'Rex Surname'::uuid`)).rejects.toThrow();
    await server.stop();
    const log = await readFile(join(dataDir, 'server.log'), 'utf8');
    expect(log).toContain('ready to accept connections');
    expect(log).not.toContain('Surname');
  });

  it('comes back on the same port when the server is killed', async () => {
    const dataDir = await newDataDir();
    const log: string[] = [];
    const server = await start(dataDir, log);
    await query(server.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    process.kill(await serverPid(dataDir), 'SIGKILL');
    await eventually(async () => {
      expect(await query(server.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
      expect(log.join()).toMatch(/ended by itself \(SIGKILL\)/);
    });
  });
});

describe('one hub per data folder', () => {
  it('refuses a second one in the same process', async () => {
    const dataDir = await newDataDir();
    const server = await start(dataDir);
    const error = await refusal(start(dataDir));
    expect(error.code).toBe('data_in_use');
    expect(error.message).toContain(`process ${process.pid}`);
    expect(error.message).toContain(dataDir);
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('refuses a second process and names the first', async () => {
    const dataDir = await newDataDir();
    const first = await holder(dataDir);
    const error = await refusal(start(dataDir));
    expect(error.code).toBe('data_in_use');
    expect(error.message).toContain(`process ${first.child.pid}`);
    expect(await query(first.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('lets exactly one of several that start at once have it', async () => {
    const dataDir = join(home, 'race');
    const results = await Promise.allSettled([start(dataDir), start(dataDir), start(dataDir)]);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.map(({ reason }) => (reason as EmbeddedPostgresError).code)).toEqual([
      'data_in_use',
      'data_in_use',
    ]);
  });
});

describe('a hub that was killed', () => {
  it('is succeeded by the next, with all that was committed', async () => {
    const dataDir = await newDataDir();
    const first = await holder(dataDir);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    await first.kill();
    const second = await start(dataDir);
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
  });

  it('does not leave its server running', async () => {
    const dataDir = await newDataDir();
    const first = await holder(dataDir);
    const pid = await serverPid(dataDir);
    await first.kill();
    await eventually(async () => expect(await isRunning(pid)).toBe(false));
  });

  it('may have lost its guard too: the next hub stops the orphan', async () => {
    const dataDir = await newDataDir();
    const first = await holder(dataDir);
    const orphan = await serverPid(dataDir);
    const { stdout } = await execFileAsync('ps', ['-A', '-o', 'pid=,ppid=,args=']);
    const children = stdout
      .split('\n')
      .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)?.slice(1) ?? [])
      .filter(([, parent]) => Number(parent) === first.child.pid);
    const guards = children.filter(([, , command]) => command?.includes('read -r dismissed'));
    expect(guards).toHaveLength(1);
    process.kill(Number(guards[0]![0]), 'SIGKILL');
    await first.kill();
    expect(await isRunning(orphan)).toBe(true);

    const log: string[] = [];
    const second = await start(dataDir, log);
    expect(log.join()).toContain('earlier hub left running');
    expect(await isRunning(orphan)).toBe(false);
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('may leave a pid file that names a living stranger, who is left alone', async () => {
    const dataDir = await newDataDir();
    const file = join(dataDir, 'data', 'postmaster.pid');
    const stranger = spawn('sleep', ['60'], { stdio: 'ignore' });
    cleanUps.push(async () => stranger.kill());
    await writeFile(file, `${stranger.pid}\n${join(dataDir, 'data')}\n1\n5432\n\n127.0.0.1\n`);
    const server = await start(dataDir);
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });

  it('may leave an empty pid file', async () => {
    const dataDir = await newDataDir();
    await writeFile(join(dataDir, 'data', 'postmaster.pid'), '');
    const server = await start(dataDir);
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });
});

it('outlives a Ctrl-C, which reaches the whole group of the hub, until the hub stops it', async () => {
  const dataDir = await newDataDir();
  const hub = await holder(dataDir);
  const pid = await serverPid(dataDir);
  process.kill(-hub.child.pid!, 'SIGINT');
  expect(JSON.parse((await hub.nextLine())!)).toEqual({ drained: 1 });
  expect(await isRunning(pid)).toBe(false);
});

describe('data it cannot open', () => {
  it('is refused when another major version wrote it, with the way to move it', async () => {
    const dataDir = await newDataDir();
    await writeFile(join(dataDir, 'data', 'PG_VERSION'), '17\n');
    const error = await refusal(start(dataDir));
    expect(error.code).toBe('data_version');
    expect(error.message).toMatch(/PostgreSQL 17[^]*PostgreSQL 18[^]*pg_dump[^]*pg_restore/);
  });

  it('is refused when its password is gone, and not replaced by an empty database', async () => {
    const dataDir = await newDataDir();
    await rm(join(dataDir, 'password'));
    expect((await refusal(start(dataDir))).code).toBe('data_missing');
  });

  it('is refused when it was placed elsewhere and is gone from there', async () => {
    const dataDir = await newDataDir();
    await writeFile(join(dataDir, 'location'), join(home, 'nowhere'));
    expect((await refusal(start(dataDir))).code).toBe('data_missing');
  });
});

if (process.geteuid?.() === 0) {
  it('as root below a private folder, places data and binaries where its user can reach them', async () => {
    const secret = await mkdtemp(join(tmpdir(), 'embedded-postgres-private-'));
    cleanUps.push(() => rm(secret, { recursive: true }));
    expect((await stat(secret)).mode & 0o077).toBe(0);
    const dataDir = join(secret, 'hub');

    const first = await start(dataDir);
    cleanUps.push(() => rm(first.dataDir, { recursive: true }));
    expect(first.dataDir).not.toContain(secret);
    expect(await readFile(join(dataDir, 'location'), 'utf8')).toContain(first.dataDir);
    await query(first.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    await first.stop();

    const second = await start(dataDir);
    expect(second.dataDir).toBe(first.dataDir);
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
    await second.stop();
  });
}
