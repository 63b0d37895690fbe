import type { BenchHub } from './bench-hub.js';
import { cpuOf, cpuPer, type CpuTimes } from './cpu.js';
import { writeCharges } from './facts.js';
import { recorded, standingOf } from './recorded.js';
import type { Stage } from './stage.js';

const finishedWithinMs = 120_000;

export interface Drained {
  perSecond: number;
  seconds: number;
  /** Microseconds a delivery. */
  cpu: CpuTimes;
}

/**
 * How long a running hub takes to get rid of a backlog: from the moment it can read the first event to the moment
 * the last delivery is recorded as delivered. Fan-out (and the relay and the topic, over Kafka), reading, rendering,
 * signing, sending and recording are all in it; writing the events is not.
 *
 * The events are held back by a transaction that has an id and stays open while they are written: nothing above it is
 * settled, so no reader of the log may pass it. Its commit uncovers all of them at once.
 *
 * @param endpointIds those that listen to charges; every event goes to each of them
 */
export async function measureBacklog(
  stage: Stage,
  hub: BenchHub,
  events: number,
  endpointIds: readonly string[],
): Promise<Drained> {
  const expected = events * endpointIds.length;
  const before = await standingOf(hub, endpointIds);
  const holder = await hub.database.connect();
  try {
    await holder.query('begin');
    await holder.query('select pg_current_xact_id()');
    await writeCharges(hub.databaseUrl, hub.practiceIds, events);
    const processes = stage.processes(hub);
    const cpuBefore = await cpuOf(processes);
    const counted = stage.counted(expected, finishedWithinMs);
    const start = process.hrtime.bigint();
    await holder.query('commit');
    await counted;
    const end = await recorded(hub, endpointIds);
    const cpu = cpuPer(expected, cpuBefore, await cpuOf(processes));
    const seconds = Number(end - start) / 1e9;
    const after = await standingOf(hub, endpointIds);
    const delivered = after.delivered - before.delivered;
    const numbered = after.sequence - before.sequence;
    if (delivered !== expected || numbered !== expected || after.open > 0) {
      throw new Error(`${expected} expected, ${numbered} numbered, ${delivered} recorded`);
    }
    return { perSecond: expected / seconds, seconds, cpu };
  } finally {
    // With an error thrown away, so that a transaction still open ends.
    holder.release(true);
  }
}
