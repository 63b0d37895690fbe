import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A hub that ended while it started (its database may be down) is started again after this, as an operator's supervisor would. */
const startAgainMs = 1000;
const keptOutput = 200_000;

export interface HubOptions {
  /** Compiled JavaScript, see test/support/build-hub.ts. */
  build: string;
  settings: Record<string, string>;
  /** A hub that was ready ended without our doing. */
  onCrash: (name: string, lastWords: string) => void;
  say: (line: string) => void;
}

/** One hub after another in a place of its own: started again whenever it has ended. */
export class Hub {
  /** Where the present one answers; undefined while it is down or starts. */
  url: string | undefined;
  frozen = false;
  starts = 0;
  output = '';
  private child: ChildProcess | undefined;
  private holder: ChildProcess | undefined;
  private down: Promise<void> = Promise.resolve();
  private killed = false;
  private closed = false;
  private readonly running: Promise<void>;
  private wake = () => {};

  constructor(
    readonly name: string,
    private readonly options: HubOptions,
  ) {
    this.running = this.run();
  }

  /** SIGKILL. It is not started again before `backAfter` has resolved. */
  kill(backAfter: Promise<void>): void {
    this.down = backAfter;
    this.killed = true;
    this.url = undefined;
    this.child?.kill('SIGKILL');
    this.thaw();
  }

  /**
   * The process stands still, its connections stay open: a long pause of a virtual machine. What stands still cannot
   * see that this run has ended, so another process holds it, and lets it go on when the pipe from here ends.
   */
  freeze(): void {
    const pid = this.child?.pid;
    if (pid === undefined) return;
    const hold = `kill -STOP ${pid}; read -r _; kill -CONT ${pid}`;
    this.holder = spawn('sh', ['-c', hold], {
      stdio: ['pipe', 'ignore', 'ignore'],
      // An interrupt from the terminal goes to the whole group; it would end the holder before it has let go.
      detached: true,
    });
    this.holder.stdin!.on('error', () => undefined);
    this.frozen = true;
  }

  thaw(): void {
    this.frozen = false;
    this.holder?.stdin!.end();
    this.holder = undefined;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.kill(Promise.resolve());
    this.wake();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.closed) {
      this.killed = false;
      const wasReady = await this.runOnce();
      if (wasReady && !this.killed) {
        this.options.onCrash(this.name, this.output.slice(-4000));
      }
      await this.down;
      if (!this.killed && !this.closed) await this.pause();
    }
  }

  /** Whether it became ready before it ended. */
  private runOnce(): Promise<boolean> {
    const { build, settings, say } = this.options;
    const leash = fileURLToPath(new URL('./leash.mjs', import.meta.url));
    const { PATH, HOME, LD_LIBRARY_PATH, TMPDIR } = process.env;
    const child = spawn(process.execPath, ['--import', leash, join(build, 'main.js')], {
      // Where no .env lies.
      cwd: build,
      env: { PATH, HOME, LD_LIBRARY_PATH, TMPDIR, ...settings },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.child = child;
    this.starts += 1;
    this.output += `\n--- start ${this.starts} of ${this.name}\n`;
    let ready = false;
    let said = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-keptOutput);
        if (ready || this.killed) return;
        said += text;
        const url = /is ready at (\S+)/.exec(said)?.[1];
        if (!url) return;
        ready = true;
        this.url = url;
        if (this.starts > 1) say(`${this.name} is back`);
      });
    }
    return new Promise((resolve) => {
      const ended = () => {
        this.url = undefined;
        resolve(ready);
      };
      child.once('error', ended);
      child.once('close', ended);
    });
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      setTimeout(resolve, startAgainMs).unref();
    });
  }
}
