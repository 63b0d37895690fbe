/**
 * A loop's pause that a signal can end. Signals that come while the loop works are kept until `reset`, so none
 * falls between "nothing there" and "wait".
 */
export class Wakeable {
  stopped = false;
  private woken = false;
  private end?: () => void;

  wake(): void {
    this.woken = true;
    this.end?.();
  }

  stop(): void {
    this.stopped = true;
    this.wake();
  }

  /** Forget earlier signals; call it before looking for work. */
  reset(): void {
    this.woken = this.stopped;
  }

  /** Until a signal, or for `ms`. */
  async wait(ms: number): Promise<void> {
    if (!this.woken) await this.sleep(ms);
  }

  /** For `ms` whatever is signalled; only `stop` ends it early. */
  async pause(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (!this.stopped && performance.now() < until) {
      await this.sleep(Math.max(1, until - performance.now()));
    }
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.end = undefined;
        resolve();
      };
      const timer = setTimeout(finish, ms);
      this.end = finish;
    });
  }
}
