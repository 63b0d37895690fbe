import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Binaries } from './binaries.js';
import type { DataPlace } from './data-place.js';
import { stopOrphans } from './orphans.js';
import { boundServerLog } from './server-log.js';
import { hasEnded, type ServerProcess, startServerProcess } from './server-process.js';

const FAST_STOP_MS = 20_000;
const IMMEDIATE_STOP_MS = 5_000;
const LOG_CHECK_MS = 60_000;
const RESTARTS = 5;
/** A server that ran this long did not fail to start; it counts as a new first. */
const STEADY_MS = 60_000;

/**
 * The running server: started again on the same port when it ends by itself (the system may kill it for
 * want of memory), with its log kept within bounds, until `stop`.
 */
export class SupervisedServer {
  private stopping = false;
  private restarts = 0;
  private restarting: Promise<void> | undefined;
  private readonly logCheck: NodeJS.Timeout;

  private constructor(
    private readonly place: DataPlace,
    private readonly startAgain: (port: number) => Promise<ServerProcess>,
    private readonly log: (message: string) => void,
    private server: ServerProcess,
  ) {
    this.watch();
    this.logCheck = setInterval(() => {
      boundServerLog(place).catch(() => undefined);
    }, LOG_CHECK_MS).unref();
  }

  static async start(
    place: DataPlace,
    binaries: Binaries,
    durable: boolean,
    log: (message: string) => void,
  ): Promise<SupervisedServer> {
    const start = (port?: number) => startServerProcess(place, binaries, durable, log, port);
    return new SupervisedServer(place, start, log, await start());
  }

  get port(): number {
    return this.server.port;
  }

  /** Fast shutdown (SIGINT: clients are cut off, a checkpoint is written), then without the checkpoint. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearInterval(this.logCheck);
    await this.restarting;
    const { child } = this.server;
    for (const [signal, waitMs] of [
      ['SIGINT', FAST_STOP_MS],
      ['SIGQUIT', IMMEDIATE_STOP_MS],
      ['SIGKILL', IMMEDIATE_STOP_MS],
    ] as const) {
      if (hasEnded(child)) return;
      const timer = new AbortController();
      const late = delay(waitMs, undefined, { signal: timer.signal }).catch(() => undefined);
      const exit = once(child, 'exit');
      child.ref();
      child.kill(signal);
      await Promise.race([exit, late]);
      timer.abort();
    }
  }

  private watch(): void {
    const { child } = this.server;
    const since = performance.now();
    // The hub's own work decides how long its process lives, not this child.
    child.unref();
    const ended = () => {
      if (this.stopping) return;
      if (performance.now() - since > STEADY_MS) this.restarts = 0;
      this.restarting = this.restart(String(child.signalCode ?? child.exitCode));
    };
    if (hasEnded(child)) ended();
    else child.once('exit', ended);
  }

  private async restart(reason: string): Promise<void> {
    if (++this.restarts > RESTARTS) {
      this.log(`PostgreSQL ended again (${reason}); not starting it any more, see server.log`);
      return;
    }
    this.log(`PostgreSQL ended by itself (${reason}); starting it again`);
    try {
      await stopOrphans(this.place, this.log);
      if (this.stopping) return;
      this.server = await this.startAgain(this.port);
      this.watch();
    } catch (error) {
      this.log(`PostgreSQL could not be started again: ${(error as Error).message}`);
    }
  }
}
