import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const POLL_MS = 250;

/**
 * Calls `onGone` once when the shell of `npm run` has ended. npm passes a SIGTERM on to that shell
 * only, which dies of it and tells nobody, so that the script would outlive `npm run`.
 * Watches nothing when the script was not started by npm.
 */
export function whenNpmIsGone(onGone: () => void): void {
  const shell = process.env.npm_lifecycle_event ? parentOf(process.ppid) : undefined;
  if (!shell) return;
  const timer = setInterval(() => {
    if (isAlive(shell)) return;
    clearInterval(timer);
    onGone();
  }, POLL_MS);
  timer.unref();
}

/** The shell is the parent's parent: between the two runs tsx. */
function parentOf(pid: number): number | undefined {
  try {
    if (process.platform === 'linux') {
      // Not by `ps`, which slim images lack. The name, in parentheses, may hold spaces.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return Number(fields[1]);
    }
    return Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)], { timeout: 5_000 }));
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
