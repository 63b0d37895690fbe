import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { beforeAll, describe, it } from '@jest/globals';
import { startBroker } from '../../scripts/kafka/broker.js';
import type { Broker } from '../../scripts/kafka/broker.js';
import { kafkaJars } from '../../scripts/kafka/jars.js';
import type { KafkaFound } from './kafka-run.js';

/** A first start may pull an image or fetch jars. */
const START_TIMEOUT_MS = 600_000;

const log = (line: string) => process.stderr.write(`Kafka for the tests: ${line}\n`);

// Awaited while the file loads, because tests are registered synchronously. It only looks; the broker
// is started by the first describeWithKafka that runs.
const found = await ask<KafkaFound>('find');
let brokers: string | undefined;

/**
 * `describe` for tests that need a real Kafka: the run's shared one, or with `own` the possibility to
 * start brokers of their own with `startOwnBroker`. Where there is none, one test takes their place
 * that says so loudly, or fails when REQUIRE_KAFKA=1.
 */
export function describeWithKafka(name: string, tests: () => void, { own = false } = {}): void {
  const missing = own ? found.ownMissing : found.sharedMissing;
  describe(name, () => {
    if (missing !== undefined) {
      it('did NOT run: there is no Kafka', () => reportMissing(name, missing));
      return;
    }
    beforeAll(async () => {
      if (own) await kafkaJars({ log });
      else brokers = await ask<string>('start');
    }, START_TIMEOUT_MS);
    tests();
  });
}

/** The run's shared broker, as KAFKA_BROKERS takes it. In hooks and tests of a `describeWithKafka`. */
export function kafkaBrokers(): string {
  if (!brokers) throw new Error('kafkaBrokers() is for hooks and tests of a describeWithKafka()');
  return brokers;
}

/** A name that no other test uses: the broker is shared, and may be kept from run to run. */
export function uniqueTopic(prefix: string): string {
  return `${prefix}.${randomUUID()}`;
}

/**
 * A broker of the caller's own, to be stopped, killed and restarted at will; `stop()` it at the end.
 * For tests of a `describeWithKafka` with `own: true`.
 */
export async function startOwnBroker(
  options: { port?: number; dataDir?: string } = {},
): Promise<Broker> {
  const run = await connectToRun();
  // A worker of a run that was killed lives on while its test waits for something, and longer with a
  // broker at its side. So the broker ends with the run, not only with the worker.
  const ended = new AbortController();
  run.once('close', () => ended.abort());
  run.unref();
  const broker = await startBroker({ ...options, shortLived: true, log, signal: ended.signal });
  ended.signal.addEventListener('abort', () => void broker.stop());
  return broker;
}

function reportMissing(name: string, reason: string): void {
  const report = `"${name}" did NOT run, it needs a real Kafka. ${reason}`;
  if (process.env.REQUIRE_KAFKA === '1') throw new Error(`REQUIRE_KAFKA=1, but ${report}`);
  console.warn(report);
}

/** Asks jest's main process: see prepareKafka in kafka-run.ts. */
async function ask<T>(question: 'find' | 'start'): Promise<T> {
  const run = await connectToRun();
  run.write(`${question}\n`);
  let text = '';
  for await (const chunk of run) text += String(chunk);
  const reply = JSON.parse(text) as { value: T; error?: string };
  if (reply.error !== undefined) throw new Error(reply.error);
  return reply.value;
}

async function connectToRun(): Promise<Socket> {
  const port = Number(process.env.TEST_KAFKA_PORT);
  if (!port)
    throw new Error('TEST_KAFKA_PORT is not set: run specs with jest and its global setup');
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  return socket;
}
