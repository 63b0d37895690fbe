import { readdir, readFile } from 'node:fs/promises';

/** Process ids by the part that they play. */
export type Processes = Record<string, number>;

/** Microseconds of processor time by part; NaN where there is no /proc. */
export type CpuTimes = Record<string, number>;

const microsecondsPerTick = 10_000;

/**
 * What processes and their children, such as PostgreSQL's for each connection, have used so far. A difference of two
 * says what something cost, however busy the machine.
 */
export async function cpuOf(processes: Processes): Promise<CpuTimes> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const stats = (await Promise.all(pids.map(statOf))).filter((stat) => stat !== undefined);
  const timeOf = (pid: number) =>
    stats.some((stat) => stat.pid === pid)
      ? stats
          .filter((stat) => stat.pid === pid || stat.parent === pid)
          .reduce((sum, stat) => sum + stat.own + (stat.pid === pid ? stat.ended : 0), 0)
      : Number.NaN;
  return Object.fromEntries(Object.entries(processes).map(([part, pid]) => [part, timeOf(pid)]));
}

/** Microseconds for each of `count`, between two readings. */
export function cpuPer(count: number, before: CpuTimes, after: CpuTimes): CpuTimes {
  return Object.fromEntries(
    Object.entries(after).map(([part, time]) => [part, (time - before[part]!) / count]),
  );
}

async function statOf(pid: string) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (!text) return undefined;
  // The name, in parentheses, may hold anything; proc_pid_stat(5) numbers the fields, and `state` is the third.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3]);
  const ticks = (...numbers: number[]) =>
    numbers.reduce((sum, number) => sum + field(number), 0) * microsecondsPerTick;
  return { pid: Number(pid), parent: field(4), own: ticks(14, 15), ended: ticks(16, 17) };
}

/** Resident memory of a process in MB, now and at most since it began; undefined where there is no /proc. */
export async function memoryOf(pid: number): Promise<{ now: number; most: number } | undefined> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
  if (!text) return undefined;
  const megabytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)![1]) / 1024;
  return { now: megabytes('VmRSS'), most: megabytes('VmHWM') };
}
