const warmUp = 2_000;
const rounds = 5;

/** Microseconds of this process's processor time that one call takes: the best of five rounds, each of so many. */
export function microsecondsOf(calls: number, work: (n: number) => unknown): number {
  for (let n = 0; n < Math.min(calls, warmUp); n += 1) work(n);
  let best = Infinity;
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    for (let n = 0; n < calls; n += 1) work(n);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / calls);
  }
  return best;
}

/** A line of a table, in µs. */
export function tell(what: string, microseconds: number): void {
  console.log(`${microseconds.toFixed(1).padStart(6)}  ${what}`);
}
