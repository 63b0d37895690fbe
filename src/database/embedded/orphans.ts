import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { DataPlace } from './data-place.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

const execFileAsync = promisify(execFile);

const FAST_MS = 30_000;
const IMMEDIATE_MS = 10_000;

interface PostgresProcess {
  pid: number;
  /** The server itself; else one of its backends, which end by themselves when the server is gone. */
  isServer: boolean;
}

/**
 * Stops a server that a killed hub left running on this data, and removes a pid file that would keep the
 * next one from starting. Call it under the hub lock only: then nobody else can be using the server. A pid
 * alone proves nothing (it may belong to another program by now), so processes are asked where they work.
 * @throws EmbeddedPostgresError `orphan_survives`
 */
export async function stopOrphans(place: DataPlace, log: (message: string) => void): Promise<void> {
  let found = await findProcesses(place.data);
  if (found.length > 0) log(`stopping the PostgreSQL server that an earlier hub left running`);
  for (const [signal, waitMs] of [
    ['SIGINT', FAST_MS],
    ['SIGQUIT', IMMEDIATE_MS],
  ] as const) {
    // Never the backends: to a checkpointer SIGINT is the order to write the last checkpoint.
    for (const { pid, isServer } of found) if (isServer) signalIfThere(pid, signal);
    const deadline = performance.now() + waitMs;
    while (found.length > 0 && performance.now() < deadline) {
      await delay(25);
      found = await findProcesses(place.data);
    }
  }
  if (found.length > 0) {
    const pids = found.map(({ pid }) => pid).join(', ');
    throw new EmbeddedPostgresError(
      'orphan_survives',
      `The PostgreSQL server that an earlier hub left on ${place.data} does not stop (process ${pids}). ` +
        `End it, then start the hub again.`,
    );
  }
  await removeStalePidFile(place.data);
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * PostgreSQL clears away the pid file of a dead server itself, with a check for surviving backends. Two it
 * refuses to touch: an empty one, and one whose pid is now another program's of the same user.
 */
async function removeStalePidFile(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const pid = Number.parseInt(text, 10);
  if (!(pid > 0) || processExists(pid)) await rm(file, { force: true });
}

export function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function findProcesses(data: string): Promise<PostgresProcess[]> {
  const folder = await stat(data).catch(() => undefined);
  if (!folder) return [];
  if (process.platform !== 'linux') return findByPidFile(data);
  const found = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        const [program = '', ...args] = await commandLine(name);
        // A backend calls itself "postgres: …" in place of its command line.
        const isBackend = program.startsWith('postgres: ');
        const isServer = basename(program) === 'postgres' && args[0] === '-D';
        if (!isBackend && !isServer) return [];
        const works = await worksIn(name, folder);
        // A container's root may not look at another user's process: there the command line must do.
        const ours = works ?? (isServer && args[1] === data);
        return ours ? [{ pid: Number(name), isServer }] : [];
      }),
  );
  return found.flat();
}

async function commandLine(pid: string): Promise<string[]> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
}

/** PostgreSQL changes into its data folder. Compared by inode, whatever path it was started with. */
async function worksIn(
  pid: string,
  folder: { dev: number; ino: number },
): Promise<boolean | undefined> {
  try {
    const program = basename(await readlink(`/proc/${pid}/exe`));
    const works = await stat(`/proc/${pid}/cwd`);
    return program.startsWith('postgres') && works.ino === folder.ino && works.dev === folder.dev;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM' ? undefined : false;
  }
}

/** macOS: the pid of the pid file, if that process was started with this data folder. */
async function findByPidFile(data: string): Promise<PostgresProcess[]> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!(pid > 0)) return [];
  const { stdout } = await execFileAsync('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout.includes(`postgres -D ${data}`) ? [{ pid, isServer: true }] : [];
}
