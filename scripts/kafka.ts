import path from 'node:path';
import { parseArgs } from 'node:util';
import { startBroker } from './kafka/broker.js';
import { kafkaVersion } from './kafka/jars.js';
import { whenNpmIsGone } from './kafka/launcher.js';

const HELP = `Starts a real Apache Kafka ${kafkaVersion()} of one node on 127.0.0.1, without a container engine.

  npm run kafka -- [--port 9092] [--data-dir .hub/kafka]

Needs Java 17 or later, and Maven the first time. Its data is kept between starts.`;

const say = (line: string) => console.log(line);

function settings(): { port: number; dataDir: string; help: boolean } {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9092' },
      'data-dir': { type: 'string', default: '.hub/kafka' },
      help: { type: 'boolean', default: false },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`--port is a number from 1 to 65535, not "${values.port}".`);
  }
  return { port, dataDir: path.resolve(values['data-dir']), help: values.help };
}

async function main(): Promise<void> {
  const { port, dataDir, help } = settings();
  if (help) return say(HELP);
  const stopping = new AbortController();
  const asked = new Promise<void>((resolve) => {
    const stop = () => {
      stopping.abort();
      resolve();
    };
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop);
    whenNpmIsGone(stop);
  });
  say(`starting Apache Kafka ${kafkaVersion()}, data in ${dataDir}`);
  const started = performance.now();
  const options = { port, dataDir, log: say, signal: stopping.signal };
  const broker = await startBroker(options).catch((error: unknown) => {
    if (stopping.signal.aborted) return undefined;
    throw error;
  });
  if (!broker) return say('stopped before it was ready');
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say(
    `ready at ${broker.brokers} after ${seconds} s (process ${broker.pid}, log ${broker.logFile})`,
  );
  say(`next: KAFKA_BROKERS=${broker.brokers} npm start`);
  say('Ctrl-C stops it and keeps its data');

  await Promise.race([asked, broker.ended]);
  const crashed = !stopping.signal.aborted;
  await broker.stop();
  if (crashed) throw new Error(`Kafka ended by itself. See ${broker.logFile}`);
  say('stopped');
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
