import { measureBacklog } from './backlog.js';
import type { CpuTimes } from './cpu.js';
import type { RawLimit } from './raw-limit.js';
import { addHistory, addRetries, makePastPartitions, settle } from './rows.js';
import type { Stage } from './stage.js';

export interface HistoryLevel {
  /** Deliveries in the table, and retries that wait. */
  history: number;
  retries: number;
  perSecond: number;
  ofRaw: number;
  cpu: CpuTimes;
}

const warmUpEvents = 3000;

/**
 * The rate of a backlog with more and more history in the table, and then with retries of another endpoint waiting.
 * A hub and a database of its own; the hub starts anew at each level, as it does after an upgrade.
 */
export async function measureHistory(
  stage: Stage,
  raw: RawLimit,
  levels: readonly number[],
  retries: number,
  events: number,
  progress: (line: string) => void,
): Promise<HistoryLevel[]> {
  const hub = await stage.startHub();
  try {
    const [endpointId] = await hub.listen([`${stage.origin}/history`]);
    const [waitingId] = await hub.listen([`${stage.origin}/waiting`], 'payment.posted');
    const measured: HistoryLevel[] = [];
    await hub.pause();
    await makePastPartitions(hub.database);
    let history = 0;
    for (const [step, level] of [...levels, levels.at(-1)!].entries()) {
      const isLast = step === levels.length;
      if (isLast) await addRetries(hub.database, waitingId!, retries);
      else await addHistory(hub.database, endpointId!, level - history);
      history = level;
      await settle(hub.database);
      await hub.resume();
      await measureBacklog(stage, hub, warmUpEvents, [endpointId!]);
      // Filling the table took a while, in which the machine may have become another one.
      raw.forget();
      const { perSecond, ofRaw, cpu } = await raw.compare(() =>
        measureBacklog(stage, hub, events, [endpointId!]),
      );
      await hub.pause();
      measured.push({ history, retries: isLast ? retries : 0, perSecond, ofRaw, cpu });
      const waiting = isLast ? ` and ${retries.toLocaleString('en-US')} waiting retries` : '';
      progress(
        `  ${history.toLocaleString('en-US')} deliveries${waiting}: ${ofRaw.toFixed(2)} of raw`,
      );
    }
    return measured;
  } finally {
    await hub.stop();
  }
}
