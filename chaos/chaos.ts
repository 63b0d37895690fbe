// `npm run chaos`: the hub under load while everything around it and in it is killed, and the proof that nothing is lost.
//   --seconds=60      how long facts are told and faults happen
//   --hubs=3          hub processes
//   --rate=80         facts a second, at most
//   --seed=1          which faults, and when; random by default and always printed
//   --bus=kafka       kafka or log; kafka starts a broker of its own unless KAFKA_BROKERS names one
//   --settle=180      seconds that everything may take to arrive once all is mended
//   --source=.        the hub's sources
//   --logs=<folder>   keeps what the hubs said
// docs/chaos.md says what is done and what is checked. Exits 0 only when it holds.
import { setMaxListeners } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { whenNpmIsGone } from '../scripts/kafka/launcher.js';
import { Random } from './random.js';
import { counted } from '../src/platform/counted.js';
import { holds, reportOf } from './report.js';
import { run } from './run.js';
import { Stage } from './stage.js';

const stopped = 130;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    hubs: { type: 'string', default: '3' },
    rate: { type: 'string', default: '80' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    bus: { type: 'string', default: 'kafka' },
    settle: { type: 'string', default: '180' },
    source: { type: 'string', default: '.' },
    logs: { type: 'string' },
  },
});

function wholeNumber(
  name: 'seconds' | 'hubs' | 'rate' | 'seed' | 'settle',
  least: number,
  most: number,
): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name} is a whole number from ${least} to ${most}, not "${values[name]}".`);
}

const began = performance.now();
const say = (line: string) => {
  const at = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`[${at.padStart(6)} s] ${line}`);
};

async function main(): Promise<number> {
  const [seed, seconds] = [wholeNumber('seed', 0, 2 ** 31), wholeNumber('seconds', 10, 3600)];
  const [hubs, rate] = [wholeNumber('hubs', 1, 6), wholeNumber('rate', 1, 2000)];
  const settleSeconds = wholeNumber('settle', 10, 3600);
  const { bus, source, logs } = values;
  if (bus !== 'log' && bus !== 'kafka') throw new Error(`--bus is log or kafka, not "${bus}".`);

  const ending = new AbortController();
  // Every fault that is planned listens to it.
  setMaxListeners(0, ending.signal);
  const stage = new Stage({ hubs, bus, source, say });
  const interrupt = () => {
    if (ending.signal.aborted) return;
    ending.abort();
    say('ending everything');
    void stage.close().then(() => process.exit(stopped));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  whenNpmIsGone(interrupt);
  try {
    say(
      `seed ${seed}: ${counted(hubs, 'hub')} over ${bus}, ${rate} facts a second for ${seconds} s`,
    );
    await stage.open(new Random(seed));
    const { signal } = ending;
    const outcome = await run(stage, { seed, seconds, rate, settleSeconds, say, signal });
    for (const line of reportOf(outcome)) console.log(line);
    return holds(outcome) ? 0 : 1;
  } catch (error) {
    // Whatever fails on the way out fails because of it.
    if (ending.signal.aborted) return stopped;
    throw error;
  } finally {
    if (logs) keepLogs(stage, logs);
    await stage.close();
  }
}

function keepLogs(stage: Stage, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const { name, output } of stage.hubs) {
    writeFileSync(join(folder, `${name.replaceAll(' ', '-')}.log`), output);
  }
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    console.error(error.message);
    process.exit(1);
  },
);
