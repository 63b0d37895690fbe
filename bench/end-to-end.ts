import type { BenchHub } from './bench-hub.js';
import { cpuOf, cpuPer, type CpuTimes } from './cpu.js';
import { percentile } from './figures.js';
import { recorded, standingOf } from './recorded.js';
import type { Stage } from './stage.js';

const finishedWithinMs = 180_000;

export interface EndToEnd {
  /** Deliveries; with one endpoint as many as facts. */
  perSecond: number;
  factsPerSecond: number;
  /** Microseconds a delivery; the hub's share has the REST calls in it. */
  cpu: CpuTimes;
}

/**
 * Facts one by one over REST at 100 connections, over all practices: from just before the first call until the last
 * webhook has arrived. The hub takes facts and sends webhooks at the same time, on the same cores.
 */
export async function measureEndToEnd(
  stage: Stage,
  hub: BenchHub,
  facts: number,
  endpointIds: readonly string[],
): Promise<EndToEnd> {
  const expected = facts * endpointIds.length;
  const targets = await hub.chargeTargets();
  const before = await standingOf(hub, endpointIds);
  const processes = stage.processes(hub);
  const cpuBefore = await cpuOf(processes);
  const [last, { began }] = await Promise.all([
    stage.counted(expected, finishedWithinMs),
    stage.load({ url: hub.url, key: hub.key, targets, facts }, finishedWithinMs),
  ]);
  const cpu = cpuPer(expected, cpuBefore, await cpuOf(processes));
  await recorded(hub, endpointIds);
  const after = await standingOf(hub, endpointIds);
  if (after.delivered - before.delivered !== expected || after.open > 0) {
    throw new Error(`${expected} expected, ${after.delivered - before.delivered} recorded`);
  }
  const perSecond = expected / (Number(last - began) / 1e9);
  return { perSecond, factsPerSecond: perSecond / endpointIds.length, cpu };
}

export interface Latency {
  p50: number;
  p99: number;
  most: number;
  samples: number;
}

/**
 * Milliseconds from the moment a fact was due to be posted until its webhook has arrived, while facts are posted
 * evenly at a rate. Counted from when the call was due, not from when a connection was free for it.
 */
export async function measureUnderLoad(
  stage: Stage,
  hub: BenchHub,
  perSecond: number,
  seconds: number,
): Promise<Latency> {
  const warmUpSeconds = 2;
  const endpointIds = await hub.listen([`${stage.origin}/timed`]);
  const targets = await hub.chargeTargets();
  try {
    const run = async (runSeconds: number) => {
      const facts = Math.max(1, Math.round(perSecond * runSeconds));
      await Promise.all([
        stage.counted(facts, finishedWithinMs),
        stage.load({ url: hub.url, key: hub.key, targets, facts, perSecond }, finishedWithinMs),
      ]);
      return stage.latencies();
    };
    await run(warmUpSeconds);
    return latencyOf(await run(seconds));
  } finally {
    await hub.unlisten(endpointIds);
  }
}

export function latencyOf(ms: readonly number[]): Latency {
  const most = ms.reduce((worst, one) => Math.max(worst, one), 0);
  return { p50: percentile(ms, 50), p99: percentile(ms, 99), most, samples: ms.length };
}
