import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./leash-holder.mjs', import.meta.url));

/**
 * Makes a process end when this one does, even by kill -9: a small process of its own waits for the
 * end of a pipe that only this process holds. See leash-holder.mjs.
 */
export class Leash {
  private readonly holder: ChildProcess;

  /** `folder`, if given, is removed as well when this process dies. */
  constructor(folder?: string) {
    // Detached, so that a terminal's Ctrl-C, sent to a whole process group, does not end it first.
    this.holder = spawn(process.execPath, folder ? [SCRIPT, folder] : [SCRIPT], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.holder.unref();
    (this.holder.stdin as unknown as { unref(): void }).unref();
    // Written to after the holder died. Nothing to do about it: the broker is then without a leash.
    this.holder.stdin?.on('error', () => undefined);
  }

  /** From now on the process to end; 0 for none. */
  hold(pid: number): void {
    this.holder.stdin?.write(`${pid}\n`);
  }

  /** Ends the watch and leaves everything as it is. */
  release(): void {
    this.holder.kill('SIGKILL');
  }
}
