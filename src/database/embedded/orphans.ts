import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { DataPlace } from './data-place.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

const execFileAsync = promisify(execFile);

const FAST_MS = 30_000;
const IMMEDIATE_MS = 10_000;

/**
 * Stops a server that a killed hub left running on this data. Call it under the hub lock only: then
 * nobody else can be using the server. A pid alone proves nothing (it may have been given to another
 * program since), so the process itself is asked where it works.
 * @throws EmbeddedPostgresError `orphan_survives`
 */
export async function stopOrphans(place: DataPlace, log: (message: string) => void): Promise<void> {
  let pids = await findServers(place.data);
  if (pids.length === 0) return;
  log(`stopping the PostgreSQL server that an earlier hub left running (${pids.join(', ')})`);
  for (const [signal, waitMs] of [
    ['SIGINT', FAST_MS],
    ['SIGQUIT', IMMEDIATE_MS],
  ] as const) {
    for (const pid of pids) signalIfThere(pid, signal);
    const deadline = performance.now() + waitMs;
    while (performance.now() < deadline) {
      await delay(25);
      pids = await findServers(place.data);
      if (pids.length === 0) return;
    }
  }
  throw new EmbeddedPostgresError(
    'orphan_survives',
    `A PostgreSQL server that an earlier hub left on ${place.data} does not stop (process ${pids.join(', ')}). End it, then start the hub again.`,
  );
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** PostgreSQL processes whose working folder is the data folder: the server and its backends. */
async function findServers(data: string): Promise<number[]> {
  const folder = await stat(data).catch(() => undefined);
  if (!folder) return [];
  if (process.platform !== 'linux') return findByPidFile(data);
  const found = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        try {
          const cwd = await stat(`/proc/${name}/cwd`);
          if (cwd.ino !== folder.ino || cwd.dev !== folder.dev) return [];
          const program = basename(await readlink(`/proc/${name}/exe`)).split(' ')[0];
          return program === 'postgres' ? [Number(name)] : [];
        } catch {
          return []; // Ended meanwhile, or another user's: then it is not ours.
        }
      }),
  );
  return found.flat();
}

/** macOS: the pid of the pid file, if that process was started with this data folder. */
async function findByPidFile(data: string): Promise<number[]> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!(pid > 0)) return [];
  const { stdout } = await execFileAsync('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout.includes('postgres') && stdout.includes(data) ? [pid] : [];
}
