import { setTimeout as delay } from 'node:timers/promises';
import { memoryOf } from './cpu.js';
import { writeCharges } from './facts.js';
import { addPending, settle } from './rows.js';
import type { Stage } from './stage.js';

/** More than any cache of the hub's holds, so that a delivery's event is read for it. */
const distinctEvents = 20_000;
const slowAnswerMs = 250;

export interface MemoryResult {
  /** Resident, MB: at most, and at the end of each part. */
  most: number;
  whileSlow: number;
  whileDraining: number;
  backlog: number;
}

/**
 * Resident memory of a hub that finds a backlog: first the receiver answers slowly, so that it stays about as long as
 * it is, then at once, so that it drains as fast as it can. Undefined where there is no /proc.
 */
export async function measureMemory(
  stage: Stage,
  backlog: number,
  secondsEach: number,
): Promise<MemoryResult | undefined> {
  const hub = await stage.startHub();
  try {
    const [endpointId] = await hub.listen([`${stage.origin}/backlog`]);
    const counted = stage.counted(distinctEvents, 120_000);
    await writeCharges(hub.databaseUrl, hub.practiceIds, distinctEvents);
    await counted;
    await hub.pause();
    await addPending(hub.database, endpointId!, backlog);
    await settle(hub.database);
    const answer = (backlogAfterMs: number) => stage.receiver.order({ backlogAfterMs });
    answer(slowAnswerMs);
    await hub.resume();
    await delay(secondsEach * 1000);
    const slow = await memoryOf(hub.pid);
    answer(0);
    await delay(secondsEach * 1000);
    const draining = await memoryOf(hub.pid);
    if (!slow || !draining) return undefined;
    return { most: draining.most, whileSlow: slow.now, whileDraining: draining.now, backlog };
  } finally {
    stage.receiver.order({ backlogAfterMs: 0 });
    await hub.stop();
  }
}
