import type { LoggedEvent, Stream } from './evaluate.js';

export interface Stall {
  fromMs: number;
  forMs: number;
}

/**
 * The longest time during which no endpoint got anything for the first time though something was due: from the
 * arrival before it, or from the moment something became due if that was later, to the next arrival. Pure.
 */
export function longestStall(log: readonly LoggedEvent[], streams: readonly Stream[]): Stall {
  const due: { sinceMs: number; untilMs: number }[] = [];
  const arrivals: number[] = [];
  for (const { wants, arrivals: all } of streams) {
    const firsts = new Map<string, number>();
    for (const { eventId, atMs } of all) if (!firsts.has(eventId)) firsts.set(eventId, atMs);
    arrivals.push(...firsts.values());
    for (const event of log) {
      const untilMs = wants(event) ? firsts.get(event.id) : undefined;
      if (untilMs !== undefined) due.push({ sinceMs: event.timeMs, untilMs });
    }
  }
  arrivals.sort((a, b) => a - b);
  due.sort((a, b) => a.untilMs - b.untilMs);
  // From the last arrival backwards: what is due in a gap is whatever arrives after it.
  const earliestFrom = Array.from<number>({ length: due.length + 1 }).fill(Infinity);
  for (let i = due.length - 1; i >= 0; i -= 1) {
    earliestFrom[i] = Math.min(due[i]!.sinceMs, earliestFrom[i + 1]!);
  }
  let longest: Stall = { fromMs: 0, forMs: 0 };
  let [previousMs, next] = [-Infinity, 0];
  for (const atMs of arrivals) {
    while (next < due.length && due[next]!.untilMs < atMs) next += 1;
    const fromMs = Math.max(previousMs, earliestFrom[next]!);
    if (atMs - fromMs > longest.forMs) longest = { fromMs, forMs: atMs - fromMs };
    previousMs = atMs;
  }
  return longest;
}
