import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * A process of the benchmark's own, which takes orders and reports. It ends when its channel to this process does,
 * by whatever cause, so that none is left behind.
 */
export class Child<Order extends object, Report> {
  private readonly process: ChildProcess;
  private readonly exited: Promise<void>;

  constructor(file: string) {
    this.process = fork(fileURLToPath(new URL(file, import.meta.url)));
    this.exited = new Promise((resolve) => this.process.once('exit', () => resolve()));
  }

  get pid(): number {
    return this.process.pid!;
  }

  order(order: Order): void {
    if (!this.process.connected) throw new Error('a process of the benchmark has ended');
    this.process.send(order);
  }

  on(listener: (report: Report) => void): () => void {
    this.process.on('message', listener as never);
    return () => this.process.off('message', listener as never);
  }

  /** The first report that `accepts`; rejects when there is none in time, or the process has ended. */
  report<R extends Report>(accepts: (report: Report) => report is R, withinMs: number): Promise<R> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        off();
        settle();
      };
      const fail = (what: string) => end(() => reject(new Error(what)));
      const off = this.on((report) => {
        if (accepts(report)) end(() => resolve(report));
      });
      const timer = setTimeout(() => fail(`no report in ${withinMs / 1000} s`), withinMs);
      void this.exited.then(() => fail('a process of the benchmark ended'));
    });
  }

  async stop(): Promise<void> {
    if (this.process.connected) this.process.disconnect();
    await this.exited;
  }
}
