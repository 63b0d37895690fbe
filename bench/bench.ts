// `npm run bench`: how fast the hub is, beside what the same machine can do at most in the same minute.
//   --kafka         also over Kafka: the broker of KAFKA_BROKERS, else one that is started for the purpose
//   --json          the result as JSON on standard output, progress on standard error
//   --rounds=3 --events=20000 --samples=200
// docs/benchmarks.md says what the figures include and keeps the latest ones.
import { parseArgs } from 'node:util';
import { v7 as uuidv7 } from 'uuid';
import { startBroker } from '../scripts/kafka/broker.js';
import { buildIfNeeded } from '../scripts/start.mjs';
import { measureBacklog } from './backlog.js';
import { chargeWebhook } from './facts.js';
import { mean, spreadOf } from './figures.js';
import { measureIdle } from './idle.js';
import type { RawReport } from './raw.js';
import { machineFacts, rate, jsonOf, tableOf, type BenchResult, type BusResult } from './report.js';
import { Stage, type BenchHub } from './stage.js';

const rawSeconds = 3;
const rawWithinMs = 30_000;
/** Code that has run a few thousand times runs several times as fast as at first. */
const warmUpEvents = 5000;

const { values: options } = parseArgs({
  options: {
    kafka: { type: 'boolean', default: Boolean(process.env.KAFKA_BROKERS) },
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    events: { type: 'string', default: '20000' },
    samples: { type: 'string', default: '200' },
  },
});
const [rounds, events, samples] = [options.rounds, options.events, options.samples].map(Number) as [
  number,
  number,
  number,
];
const progress = (line: string) => process.stderr.write(`${line}\n`);

const stage = new Stage();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    void stage.close().then(() => process.exit(130));
  });
}

/** Raw and hub take turns, and a round counts against the raw limit just before and just after it. */
async function measureBus(
  hub: BenchHub,
  bus: BusResult['bus'],
  raws: number[],
): Promise<BusResult> {
  progress(`\nOver ${bus}:`);
  const idle = await measureIdle(stage, hub, samples);
  progress(`  idle: webhook after ${idle.arrival.p50.toFixed(1)} ms in the middle`);
  await measureBacklog(stage, hub, warmUpEvents);
  const perSecond: number[] = [];
  const ofRaw: number[] = [];
  let before = await measureRaw(raws);
  for (let round = 1; round <= rounds; round += 1) {
    const { deliveriesPerSecond, seconds } = await measureBacklog(stage, hub, events);
    const after = await measureRaw(raws);
    perSecond.push(deliveriesPerSecond);
    ofRaw.push(deliveriesPerSecond / mean([before, after]));
    progress(
      `  round ${round}: ${rate(deliveriesPerSecond)} deliveries/s (${seconds.toFixed(1)} s), raw ${rate(before)} and ${rate(after)}/s`,
    );
    before = after;
  }
  return { bus, backlog: { perSecond: spreadOf(perSecond), ofRaw: spreadOf(ofRaw) }, idle };
}

async function measureRaw(raws: number[]): Promise<number> {
  const ids = Array.from({ length: 1000 }, () => uuidv7());
  const body = chargeWebhook();
  stage.raw.order({ origin: stage.origin, body, ids, seconds: rawSeconds });
  const { perSecond } = await stage.raw.report(
    (report): report is RawReport => 'perSecond' in report,
    rawWithinMs,
  );
  raws.push(perSecond);
  return perSecond;
}

async function brokers(): Promise<string> {
  if (process.env.KAFKA_BROKERS) return process.env.KAFKA_BROKERS;
  const broker = await startBroker({ log: progress });
  stage.onClose(() => broker.stop());
  return broker.brokers;
}

async function main(): Promise<BenchResult> {
  buildIfNeeded();
  progress('Starting PostgreSQL, a receiver and a hub …');
  await stage.open();
  const machine = machineFacts(stage.postgres.version);
  const raws: number[] = [];
  const hub = await stage.startHub();
  const buses = [await measureBus(hub, 'the embedded log', raws)];
  await hub.stop();
  if (options.kafka) {
    const onKafka = await stage.startHub(await brokers());
    buses.push(await measureBus(onKafka, 'Kafka', raws));
  }
  return {
    at: new Date().toISOString(),
    machine,
    rounds,
    events,
    webhookBytes: Buffer.byteLength(chargeWebhook()),
    rawPerSecond: spreadOf(raws),
    buses,
  };
}

try {
  const result = await main();
  process.stdout.write(options.json ? `${jsonOf(result)}\n` : `\n${tableOf(result)}\n`);
} catch (error) {
  if (!interrupted) progress(`The benchmark failed: ${(error as Error).stack}`);
  process.exitCode = 1;
} finally {
  if (!interrupted) await stage.close();
}
