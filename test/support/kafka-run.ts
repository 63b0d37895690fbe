import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { startBroker } from '../../scripts/kafka/broker.js';
import { jarsAreCached, kafkaJars, kafkaVersion, requireMaven } from '../../scripts/kafka/jars.js';
import { findJava, KafkaUnavailable } from '../../scripts/kafka/java.js';
import { clusterId } from '../../scripts/kafka/probe.js';
import { pullKafkaImage, startKafkaContainer } from './kafka-container.js';

/** What spec files are told. A `Missing` is the reason there is none, undefined when there is one. */
export interface KafkaFound {
  sharedMissing?: string;
  ownMissing?: string;
}

interface Running {
  brokers: string;
  stop(): Promise<void>;
}

const log = (line: string) => process.stderr.write(`Kafka for the tests: ${line}\n`);

/**
 * Gives a jest run its one broker: called in jest's main process, which then starts the broker when the
 * first spec file asks for it, and not at all when none does. Spec files, in their worker processes,
 * ask over loopback (test/support/kafka.ts). Resolves to the function that stops everything.
 */
export async function prepareKafka(): Promise<() => Promise<void>> {
  let found: ReturnType<typeof find> | undefined;
  let running: Promise<Running> | undefined;
  const answers: Record<string, () => Promise<unknown>> = {
    find: async () => (await (found ??= find())).told,
    start: async () =>
      (await (running ??= (found ??= find()).then(({ start }) => start()))).brokers,
  };
  const server = createServer((socket) => answer(socket, answers));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  process.env.TEST_KAFKA_PORT = String((server.address() as AddressInfo).port);
  return async () => {
    server.close();
    await (await running?.catch(() => undefined))?.stop();
  };
}

/**
 * One line in, the name of the question; one line of JSON out. A connection that asks nothing lasts as
 * long as this process: whoever holds the other end learns of its death.
 */
function answer(socket: Socket, answers: Record<string, () => Promise<unknown>>): void {
  socket.unref();
  // A worker that went away while it waited.
  socket.on('error', () => undefined);
  socket.once('data', (question) => {
    const asked = answers[String(question).trim()] ?? (() => Promise.reject(new Error('unknown')));
    asked()
      .then((value) => ({ value }))
      .catch((error: Error) => ({ error: error.message }))
      .then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
  });
}

/** Where the broker comes from: what the caller names, else a container engine, else Kafka's own jars. */
async function find(): Promise<{ told: KafkaFound; start: () => Promise<Running> }> {
  const named = process.env.KAFKA_BROKERS;
  if (named) {
    const sharedMissing = await reasonOf(untilAnswering(named));
    const start = async () => ({ brokers: named, stop: async () => undefined });
    return { told: { sharedMissing, ownMissing: await reasonOf(jarsAreInReach()) }, start };
  }
  if (await pullKafkaImage(kafkaVersion(), log)) {
    const start = () => startKafkaContainer(kafkaVersion(), log);
    return { told: { ownMissing: await reasonOf(jarsAreInReach()) }, start };
  }
  // Fetched here and not at the start, so that a machine that cannot fetch them counts as one without Kafka.
  const missing = await reasonOf(findJava().then(() => kafkaJars({ log })));
  return {
    told: { sharedMissing: missing, ownMissing: missing },
    start: () => startBroker({ shortLived: true, log }),
  };
}

async function jarsAreInReach(): Promise<void> {
  await findJava();
  if (!jarsAreCached()) await requireMaven();
}

async function untilAnswering(brokers: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      await clusterId(brokers);
      return;
    } catch (error) {
      if (performance.now() < deadline) continue;
      const why = (error as Error).message;
      throw new KafkaUnavailable(`KAFKA_BROKERS=${brokers} does not answer: ${why}`);
    }
  }
}

/** Undefined when all is well. What is no KafkaUnavailable is a fault, and not hidden as "none here". */
async function reasonOf(check: Promise<unknown>): Promise<string | undefined> {
  try {
    await check;
    return undefined;
  } catch (error) {
    if (error instanceof KafkaUnavailable) return error.message;
    throw error;
  }
}
