// `npm run bench`: how fast the hub is, beside what the same machine can do at most in the same minute.
//   --only=backlog,idle  of the measurements in measurements.ts, these alone
//   --quick              a short pass, to see that everything works; its figures mean little
//   --kafka              also over Kafka: the broker of KAFKA_BROKERS, else one that is started for the purpose
//   --postgres=FOLDER    on the PostgreSQL whose programs lie there instead of the embedded one
//   --history=5m         also five million deliveries of history
//   --json               the result as JSON on standard output, progress on standard error
// docs/benchmarks.md says what the figures include and keeps the latest ones.
import { parseArgs } from 'node:util';
import { startBroker } from '../scripts/kafka/broker.js';
import { buildIfNeeded } from '../scripts/start.mjs';
import type { BenchHub } from './bench-hub.js';
import { spreadOf } from './figures.js';
import {
  fullSizes,
  kafkaMeasurements,
  measurements,
  quickSizes,
  type Bench,
} from './measurements.js';
import { RawLimit } from './raw-limit.js';
import { jsonOf, machineFacts, tableOf, type BenchResult, type Row } from './report.js';
import { Stage } from './stage.js';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    kafka: { type: 'boolean', default: Boolean(process.env.KAFKA_BROKERS) },
    history: { type: 'string' },
    postgres: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const names = [...Object.keys(measurements), ...Object.keys(kafkaMeasurements)];
const only = options.only?.split(',');
const unknown = only?.filter((name) => !names.includes(name)) ?? [];
if (unknown.length > 0 || (options.history && options.history !== '5m')) {
  console.error(
    `Unknown: ${[...unknown, options.history].join(' ')}. Measurements: ${names.join(', ')}.`,
  );
  process.exit(2);
}
const progress = (line: string) => process.stderr.write(`${line}\n`);
const wants = (name: string) => only?.includes(name) ?? true;
const wantsKafka = options.kafka || only?.some((name) => name in kafkaMeasurements);

const stage = new Stage();
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    void stage.close().then(() => process.exit(130));
  });
}

async function brokers(): Promise<string> {
  if (process.env.KAFKA_BROKERS) return process.env.KAFKA_BROKERS;
  const broker = await startBroker({ log: progress });
  stage.onClose(() => broker.stop());
  return broker.brokers;
}

async function main(): Promise<BenchResult> {
  const began = performance.now();
  buildIfNeeded();
  progress('Starting PostgreSQL, a receiver and a hub …');
  await stage.open(options.postgres);
  const machine = machineFacts(stage.postgres.version);
  const sizes = { ...(options.quick ? quickSizes : fullSizes) };
  if (options.history) sizes.history = [...sizes.history, 5_000_000];
  const raw = new RawLimit(stage, options.quick ? 1 : 3);
  let embedded: Promise<BenchHub> | undefined;
  const bench: Bench = {
    stage,
    raw,
    sizes,
    progress,
    hub: () => (embedded ??= stage.startHub()),
  };
  const rows: Row[] = [];
  const left: string[] = [];
  const run = async (name: string, measure: () => Promise<Row[]>) => {
    if (!wants(name)) return void left.push(`${name} (--only)`);
    progress(`\n${name}, after ${Math.round((performance.now() - began) / 1000)} s`);
    try {
      rows.push(...(await measure()));
    } catch (error) {
      if (interrupted) throw error;
      // One that fails must not take the others with it; it stands in the result, and in the exit status.
      left.push(`${name}: ${(error as Error).message}`);
      progress(`  failed: ${(error as Error).stack}`);
      process.exitCode = 1;
    }
  };
  for (const [name, measure] of Object.entries(measurements)) {
    await run(name, () => measure(bench));
  }
  await (await embedded)?.stop();
  if (wantsKafka) {
    const hub = await stage.startHub(await brokers());
    for (const [name, measure] of Object.entries(kafkaMeasurements)) {
      await run(name, () => measure(bench, hub));
    }
  } else {
    left.push('over Kafka (--kafka)');
  }
  const { rates, cpu, webhookBytes } = raw;
  return {
    at: new Date().toISOString(),
    machine,
    minutes: Math.round((performance.now() - began) / 6000) / 10,
    webhookBytes,
    raw: { ...(rates.length > 0 ? spreadOf(rates) : { least: 0, median: 0, most: 0 }), cpu },
    rows,
    left,
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
