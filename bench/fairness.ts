import { createServer, type AddressInfo } from 'node:net';
import type { BenchHub } from './bench-hub.js';
import { latencyOf, type Latency } from './end-to-end.js';
import type { Stage } from './stage.js';

const healthy = 98;
/** Below the hub's time-out, so that these deliveries succeed, each holding a place for that long. */
const slowAfterMs = 10_000;
const finishedWithinMs = 120_000;

export interface Fairness {
  alone: Latency;
  withBad: Latency;
}

/**
 * What a dead and a slow endpoint cost the others: 98 endpoints get every fact, at an even rate; then the same with a
 * hundredth that refuses connections and one that answers after ten seconds. Their backlogs grow during the run.
 */
export async function measureFairness(
  stage: Stage,
  hub: BenchHub,
  factsPerSecond: number,
  seconds: number,
): Promise<Fairness> {
  const targets = await hub.chargeTargets();
  const urls = Array.from({ length: healthy }, (_, i) => `${stage.origin}/timed/${i}`);
  const healthyIds = await hub.listen(urls);
  const run = async (runSeconds: number) => {
    const facts = Math.round(factsPerSecond * runSeconds);
    const order = { url: hub.url, key: hub.key, targets, facts, perSecond: factsPerSecond };
    await Promise.all([
      stage.counted(facts * healthy, finishedWithinMs),
      stage.load(order, finishedWithinMs),
    ]);
    return latencyOf(await stage.latencies());
  };
  try {
    await run(3);
    const alone = await run(seconds);
    const bad = [`http://127.0.0.1:${await closedPort()}/`, `${stage.origin}/after/${slowAfterMs}`];
    const badIds = await hub.listen(bad);
    try {
      return { alone, withBad: await run(seconds) };
    } finally {
      await hub.unlisten(badIds);
    }
  } finally {
    await hub.unlisten(healthyIds);
  }
}

/** A port of loopback that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
