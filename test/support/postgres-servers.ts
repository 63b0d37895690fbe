import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, chown, mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import pg from 'pg';
import { resolveDataPlace } from '../../src/database/embedded/data-place.js';
import { runAs } from '../../src/database/embedded/server-account.js';
import { startServerProcess } from '../../src/database/embedded/server-process.js';

const leastMajor = 14;

/** A PostgreSQL of the machine, with the tools of the same version. */
export interface Installation {
  folder: string;
  /** As PostgreSQL says it, e.g. `15.14`. */
  version: string;
}

export interface Cluster {
  /** Of an empty database. */
  url: string;
  stop(): Promise<void>;
}

/** The newest PostgreSQL from 14 on that brings a server and a pg_dump of one major version, if there is any. */
export async function findPostgres(): Promise<Installation | undefined> {
  const debian = '/usr/lib/postgresql';
  const versions = await readdir(debian).catch(() => []);
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter).filter(Boolean),
  ];
  const found: Installation[] = [];
  for (const folder of folders) {
    const version = await versionOf(folder);
    if (version) found.push({ folder, version });
  }
  return found.sort((a, b) => Number.parseFloat(b.version) - Number.parseFloat(a.version))[0];
}

/** @returns undefined where the folder holds no server with its tools, all of one major version */
export async function versionOf(folder: string): Promise<string | undefined> {
  const programs = ['postgres', 'initdb', 'pg_dump', 'psql'].map((name) => join(folder, name));
  try {
    await Promise.all(programs.map((program) => access(program)));
  } catch {
    return undefined;
  }
  const versions: (string | undefined)[] = [];
  for (const program of programs) {
    const { output } = await runAs(null, program, ['--version'], 10_000);
    versions.push(/\(PostgreSQL\) (\d+(\.\d+)?)/.exec(output)?.[1]);
  }
  const majors = new Set(versions.map((version) => Number.parseInt(version ?? '0', 10)));
  return majors.size === 1 && [...majors][0]! >= leastMajor ? versions[0] : undefined;
}

/**
 * Makes a cluster of that version and starts its server on loopback; `stop` removes both.
 * @param durable commits reach the disk, as in production
 */
export async function startCluster(
  { folder, version }: Installation,
  durable = false,
): Promise<Cluster> {
  const home = await mkdtemp(join(await realpath(tmpdir()), 'hub-cluster-'));
  // As root the server must run as somebody else, who must be able to reach its data.
  const place = await resolveDataPlace(home);
  const remove = async () => {
    await rm(place.folder, { recursive: true, force: true });
    await rm(home, { recursive: true, force: true });
  };
  try {
    const password = randomBytes(12).toString('hex');
    const passwordFile = join(place.folder, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    await mkdir(place.data, { mode: 0o700 });
    if (place.account) {
      const { uid, gid } = place.account;
      for (const path of [place.data, passwordFile]) await chown(path, uid, gid);
    }
    const made = await runAs(
      place.account,
      join(folder, 'initdb'),
      [
        `--pgdata=${place.data}`,
        '--username=hub',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
      ],
      120_000,
    );
    if (!made.ok) throw new Error(`initdb failed: ${made.output}`);
    const programs = {
      postgres: join(folder, 'postgres'),
      initdb: join(folder, 'initdb'),
      version,
    };
    const { port, child } = await startServerProcess(place, programs, durable, () => undefined);
    const url = (database: string) => `postgres://hub:${password}@127.0.0.1:${port}/${database}`;
    const client = new pg.Client({ connectionString: url('postgres') });
    await client.connect();
    await client.query('create database hub');
    await client.end();
    return {
      url: url('hub'),
      stop: async () => {
        const ended = once(child, 'exit');
        child.kill('SIGINT');
        await ended;
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** `pg_dump | psql`, each byte of it by PostgreSQL's own tools. @throws with what they said. */
export async function dumpAndRestore(
  { folder }: Installation,
  fromUrl: string,
  toUrl: string,
): Promise<void> {
  const dump = spawn(join(folder, 'pg_dump'), [`--dbname=${fromUrl}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const options = ['--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--output=/dev/null'];
  const restore = spawn(join(folder, 'psql'), [...options, `--dbname=${toUrl}`], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  for (const { stderr } of [dump, restore]) stderr.on('data', (text) => (said += String(text)));
  // It is told of a restore that ended early by its exit.
  restore.stdin.on('error', () => undefined);
  dump.stdout.pipe(restore.stdin);
  const codes = await Promise.all(
    [dump, restore].map(async (child) => (await once(child, 'close'))[0] as number),
  );
  if (codes.some((code) => code !== 0)) throw new Error(`pg_dump or psql failed: ${said}`);
}
