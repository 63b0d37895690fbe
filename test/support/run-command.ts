import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { buildTestHub } from './build-hub.js';

export interface Command {
  child: ChildProcess;
  /** What it has written to standard error so far. */
  progress(): string;
  /** Resolves when it has ended, by itself or killed, to what it has written to standard output. */
  ended: Promise<{ code: number | null; output: string }>;
}

/**
 * Starts one of the hub's commands (`src/commands`) as an operator of its image does: compiled, on a database. It lies
 * where no `.env` and no data of a hub is.
 */
export async function startCommand(
  name: string,
  args: readonly string[],
  settings: Record<string, string>,
): Promise<Command> {
  const { PATH, HOME, LD_LIBRARY_PATH, TMPDIR } = process.env;
  const build = await buildTestHub();
  const child = spawn(process.execPath, [join(build, 'commands', `${name}.js`), ...args], {
    cwd: build,
    env: { PATH, HOME, LD_LIBRARY_PATH, TMPDIR, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, progress] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (progress += text));
  return {
    child,
    progress: () => progress,
    ended: once(child, 'close').then(([code]) => ({ code, output })),
  };
}

/** Runs one to its end. */
export async function runCommand(
  name: string,
  args: readonly string[],
  settings: Record<string, string>,
): Promise<{ code: number | null; output: string; errors: string }> {
  const { ended, progress } = await startCommand(name, args, settings);
  return { ...(await ended), errors: progress() };
}
