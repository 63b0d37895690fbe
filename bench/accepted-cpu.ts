import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchHub, Stage } from './stage.js';

/** Microseconds of processor time used so far; a difference of two says what something cost, however busy the machine. */
export interface CpuTime {
  hub: number;
  /** Of the whole server; absent where the system has no /proc. */
  postgres?: number;
}

export async function cpuTime({ postgres }: Stage, hub: BenchHub): Promise<CpuTime> {
  const metrics = await (await fetch(`${hub.url}/metrics`)).text();
  const seconds = /^process_cpu_seconds_total (\S+)/m.exec(metrics)![1];
  return { hub: Number(seconds) * 1e6, postgres: serverTime(postgres.dataDir) };
}

// The server's own process and the ones it has for connections and chores; those that ended are counted by it.
function serverTime(dataDir: string): number | undefined {
  const folder = readdirSync(dataDir, { recursive: true, encoding: 'utf8' });
  const pidFile = folder.find((name) => name.endsWith('postmaster.pid'));
  if (!pidFile) return undefined;
  const server = Number.parseInt(readFileSync(join(dataDir, pidFile), 'utf8'), 10);
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .reduce((sum, pid) => sum + timeOf(Number(pid), server), 0);
  } catch {
    return undefined;
  }
}

const microsecondsPerTick = 10_000;

function timeOf(pid: number, server: number): number {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return 0;
  }
  // The second field, the name, may hold anything; the fields behind it are numbers but for the state.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [parent, user, system, endedUser, endedSystem] = [1, 11, 12, 13, 14].map((i) => fields[i]!);
  if (pid === server) return (user! + system! + endedUser! + endedSystem!) * microsecondsPerTick;
  return parent === server ? (user! + system!) * microsecondsPerTick : 0;
}
