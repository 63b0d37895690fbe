import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** Of the PostgreSQL server on this data. */
export async function serverPid(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, 'data', 'postmaster.pid'), 'utf8'), 10);
}

/** A zombie is not: who has nobody to wait for it may stay one for a while. */
export async function isRunning(pid: number): Promise<boolean> {
  const { stdout } = await execFileAsync('ps', ['-o', 'stat=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout !== '' && !stdout.startsWith('Z');
}

/** Another process that holds the data, as a hub does. */
export interface Holder {
  child: ChildProcess;
  url: string;
  nextLine(): Promise<string | undefined>;
  kill(): Promise<void>;
}

/** Starts a holder in a process group of its own, as a terminal does. The caller must `kill` it. */
export async function holdEmbeddedPostgres(dataDir: string): Promise<Holder> {
  const script = join('test', 'support', 'hold-embedded-postgres.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, dataDir], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const nextLine = async () => (await lines.next()).value as string | undefined;
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  };
  const { url } = JSON.parse((await nextLine())!) as { url: string };
  return { child, url, nextLine, kill };
}
