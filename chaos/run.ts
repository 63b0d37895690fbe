import { setTimeout as delay } from 'node:timers/promises';
import { readEndpoint, readFeed, readLog, readManifest } from './books.js';
import { diagnose } from './diagnosis.js';
import { makeEndpoints, makePractices } from './endpoints.js';
import { evaluate, type Stream } from './evaluate.js';
import { Faults } from './faults.js';
import { Load } from './load.js';
import { planFaults } from './plan.js';
import { Random } from './random.js';
import { holds, type Outcome } from './report.js';
import { longestStall } from './stall.js';
import type { Stage } from './stage.js';

const progressMs = 5000;
const lookMs = 500;
const acceptWithinMs = 60_000;

export interface RunOptions {
  seed: number;
  /** How long facts are told and faults happen. */
  seconds: number;
  /** Facts a second, at most. */
  rate: number;
  /** How long everything may take to arrive once all is mended. */
  settleSeconds: number;
  say: (line: string) => void;
  signal: AbortSignal;
}

/** The load and the faults, then the reckoning. The stage must be open. */
export async function run(stage: Stage, options: RunOptions): Promise<Outcome> {
  const { seed, seconds, rate, say, signal } = options;
  const random = new Random(seed);
  const broker = stage.broker !== undefined;
  const plan = planFaults(random.branch(), { seconds, hubs: stage.hubs.length, broker });
  const practiceIds = await makePractices(stage);
  const streams = await makeEndpoints(stage, practiceIds);
  const load = new Load(stage.api, practiceIds, rate);
  const faults = new Faults(stage, say, signal);
  const startedAtMs = Date.now();
  const watch = setInterval(() => say(progressOf(stage, load, streams)), progressMs);
  const abort = () => load.abort();
  signal.addEventListener('abort', abort);
  try {
    load.start(random.branch());
    const loaded = delay(seconds * 1000, undefined, { signal });
    await Promise.all([faults.carryOut(plan), loaded]);
    await stage.untilReady();
    say('everything is mended; no new facts');
    const mendedAt = performance.now();
    await load.stop(acceptWithinMs);
    const settledAfterMs = await untilSettled(stage, load, streams, options, mendedAt);
    clearInterval(watch);
    const log = await readLog(stage);
    await Promise.all(streams.map((stream) => completeStream(stage, stream)));
    const feed = await readFeed(stage);
    const verdict = evaluate({ expected: load.expected, log, feed, streams });
    const stall = longestStall(log, streams);
    const outcome: Outcome = {
      seed,
      accepted: load.accepted,
      unaccepted: load.open,
      refused: load.refused,
      crashes: stage.crashes,
      events: log.length,
      verdict,
      stall,
      stallAtMs: stall.fromMs - startedAtMs,
      settledAfterMs,
      faults: faults.done,
      setbacks: stage.api.setbacks,
    };
    if (!holds(outcome)) {
      for (const line of await diagnose(stage, verdict.streams)) say(line);
    }
    return outcome;
  } finally {
    clearInterval(watch);
    signal.removeEventListener('abort', abort);
  }
}

/** Milliseconds from `mendedAt` until the hub had nothing open; undefined where time ran out first. */
async function untilSettled(
  stage: Stage,
  load: Load,
  streams: readonly Stream[],
  { settleSeconds, signal }: RunOptions,
  mendedAt: number,
): Promise<number | undefined> {
  const deadline = mendedAt + settleSeconds * 1000;
  while (performance.now() < deadline) {
    if (load.open === 0 && (await isSettled(stage, load, streams))) {
      return performance.now() - mendedAt;
    }
    await delay(lookMs, undefined, { signal });
  }
  return undefined;
}

async function isSettled(stage: Stage, load: Load, streams: readonly Stream[]): Promise<boolean> {
  const log = await readLog(stage);
  const found = new Set(log.map(({ type, subject }) => `${type} ${subject}`));
  for (const name of load.expected.keys()) if (!found.has(name)) return false;
  for (const stream of streams) {
    const due = log.filter((event) => stream.wants(event)).length;
    if (acceptedBy(stream) < due) return false;
    const { pending, lastSequence } = await readEndpoint(stage, stream);
    if (pending > 0 || lastSequence < due) return false;
  }
  return true;
}

async function completeStream(stage: Stage, stream: Stream): Promise<void> {
  stream.lastSequence = (await readEndpoint(stage, stream)).lastSequence;
  stream.manifest = await readManifest(stage, stream);
}

function acceptedBy({ arrivals }: Stream): number {
  return new Set(arrivals.flatMap(({ eventId, acceptedAtMs }) => (acceptedAtMs ? eventId : [])))
    .size;
}

function progressOf(stage: Stage, load: Load, streams: readonly Stream[]): string {
  const up = stage.hubs.filter(({ url, frozen }) => url !== undefined && !frozen).length;
  const received = streams.map((stream) => acceptedBy(stream)).join(' / ');
  return `${load.accepted} facts accepted, ${load.open} being told; webhooks accepted ${received}; ${up} of ${stage.hubs.length} hubs up`;
}
