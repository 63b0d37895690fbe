import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export interface Command {
  child: ChildProcess;
  /** What it has written to standard error so far. */
  progress(): string;
  /** Resolves when it has ended, by itself or killed. */
  ended: Promise<{ code: number | null; output: string }>;
}

/** Starts one of the hub's commands as an operator does, on a database. */
export function startCommand(
  script: string,
  args: readonly string[],
  settings: Record<string, string>,
): Command {
  const { PATH, HOME, LD_LIBRARY_PATH, TMPDIR } = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
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
