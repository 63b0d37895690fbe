/**
 * Lets a few at a time through for each key, in the order in which they came. Whoever cannot get on yet waits here
 * and holds nothing meanwhile.
 */
export class Turns {
  private readonly lines = new Map<string, Line>();

  /**
   * @param atOnce how many may have the turn of one key at the same time
   * @param withinMs how long one waits for it
   */
  constructor(
    private readonly atOnce: number,
    private readonly withinMs: number,
  ) {}

  /**
   * Runs `work` when it has the turn of each of `keys`. They are taken in one order, so that no two wait for each
   * other.
   * @throws Error `ETIMEDOUT` (transient) where a turn did not come in time; `work` was not begun.
   */
  async run<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const taken: string[] = [];
    try {
      for (const key of [...new Set(keys)].sort()) {
        await this.take(key);
        taken.push(key);
      }
      return await work();
    } finally {
      for (const key of taken) this.give(key);
    }
  }

  private take(key: string): Promise<void> | undefined {
    const line = this.lines.get(key) ?? { taken: 0, waiting: new Set() };
    this.lines.set(key, line);
    if (line.taken < this.atOnce) {
      line.taken += 1;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const next = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        line.waiting.delete(next);
        reject(Object.assign(new Error('The turn did not come in time'), { code: 'ETIMEDOUT' }));
      }, this.withinMs);
      line.waiting.add(next);
    });
  }

  private give(key: string): void {
    const line = this.lines.get(key)!;
    // A set keeps the order of coming. The turn passes on, and is at no moment anybody's who comes just now.
    const [next] = line.waiting;
    if (next) {
      line.waiting.delete(next);
      next();
      return;
    }
    line.taken -= 1;
    if (line.taken === 0) this.lines.delete(key);
  }
}

interface Line {
  taken: number;
  waiting: Set<() => void>;
}
