import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Kafka, logLevel } from 'kafkajs';
import { eventually } from './support/eventually.js';
import { describeWithKafka, kafkaBrokers, startOwnBroker, uniqueTopic } from './support/kafka.js';
import { freePort } from '../scripts/kafka/ports.js';
import { clusterId } from '../scripts/kafka/probe.js';
import type { Broker } from '../scripts/kafka/broker.js';

/** A start takes seconds of CPU time, and 20 s on a machine with other things to do. */
const TIMEOUT_MS = 240_000;

function client(brokers: string): Kafka {
  return new Kafka({ clientId: 'spec', brokers: [brokers], logLevel: logLevel.NOTHING });
}

async function createTopic(brokers: string, topic: string): Promise<void> {
  const admin = client(brokers).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  await admin.disconnect();
}

async function produce(brokers: string, topic: string, value: string): Promise<void> {
  const producer = client(brokers).producer({ idempotent: true });
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: [{ value }] });
  await producer.disconnect();
}

/** The first `count` messages of the topic, by a new consumer group. */
async function consume(brokers: string, topic: string, count: number): Promise<string[]> {
  const consumer = client(brokers).consumer({ groupId: uniqueTopic('group') });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(String(message.value));
          if (values.length === count) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return values;
}

describeWithKafka('the shared broker', () => {
  it('carries a message', async () => {
    const topic = uniqueTopic('broker-spec');
    await createTopic(kafkaBrokers(), topic);
    await produce(kafkaBrokers(), topic, 'a message');
    expect(await consume(kafkaBrokers(), topic, 1)).toEqual(['a message']);
  });
});

describeWithKafka(
  'a broker of its own',
  () => {
    let broker: Broker;

    beforeAll(async () => {
      broker = await startOwnBroker();
    }, TIMEOUT_MS);
    afterAll(async () => {
      const { pid } = broker;
      await broker.stop();
      expect(isRunning(pid)).toBe(false);
      expect(existsSync(path.dirname(broker.logFile))).toBe(false);
    }, TIMEOUT_MS);

    it(
      'keeps its messages and its address when it is killed and started again',
      async () => {
        const topic = uniqueTopic('broker-spec');
        await createTopic(broker.brokers, topic);
        await produce(broker.brokers, topic, 'before the crash');
        expect(await consume(broker.brokers, topic, 1)).toEqual(['before the crash']);
        const { brokers, pid } = broker;

        await broker.kill();
        expect(broker.pid).toBe(0);
        expect(isRunning(pid)).toBe(false);
        await expect(clusterId(brokers)).rejects.toThrow('ECONNREFUSED');

        await broker.restart();
        expect(broker.brokers).toBe(brokers);
        expect(broker.pid).not.toBe(pid);
        await produce(brokers, topic, 'after the crash');
        expect(await consume(brokers, topic, 2)).toEqual(['before the crash', 'after the crash']);
      },
      TIMEOUT_MS,
    );

    it('refuses a second one on the same folder', async () => {
      const dataDir = path.dirname(broker.logFile);
      await expect(startOwnBroker({ dataDir })).rejects.toThrow(`Process ${broker.pid} is a Kafka`);
      expect(await clusterId(broker.brokers)).toBeTruthy();
    });

    it('refuses a port that is taken', async () => {
      const port = Number(broker.brokers.split(':')[1]);
      await expect(startOwnBroker({ port })).rejects.toThrow(`Port ${port} on 127.0.0.1 is taken`);
    });
  },
  { own: true },
);

describeWithKafka(
  'npm run kafka',
  () => {
    let dataDir: string;
    const scripts: ChildProcess[] = [];

    beforeAll(async () => {
      dataDir = await mkdtemp(path.join(tmpdir(), 'kafka-spec-'));
    });
    afterAll(async () => {
      for (const script of scripts) script.kill('SIGTERM');
      await Promise.all(scripts.map((script) => isOver(script) || once(script, 'exit')));
      await rm(dataDir, { recursive: true, force: true });
    }, TIMEOUT_MS);

    it(
      'leaves no broker behind when it is killed, and keeps the data',
      async () => {
        const topic = uniqueTopic('broker-spec');
        const first = await runScript(dataDir, scripts);
        await createTopic(first.brokers, topic);
        await produce(first.brokers, topic, 'kept');
        first.script.kill('SIGKILL');
        await eventually(() => expect(isRunning(first.pid)).toBe(false), 60_000);

        const second = await runScript(dataDir, scripts);
        expect(await consume(second.brokers, topic, 1)).toEqual(['kept']);
        second.script.kill('SIGTERM');
        const [code] = await once(second.script, 'exit');
        expect(code).toBe(0);
        expect(isRunning(second.pid)).toBe(false);
      },
      TIMEOUT_MS,
    );
  },
  { own: true },
);

/** Runs the script as npm does, without npm's shell between, until it says that it is ready. */
async function runScript(dataDir: string, scripts: ChildProcess[]) {
  const port = String(await freePort());
  const args = ['--import', 'tsx', 'scripts/kafka.ts', '--port', port, '--data-dir', dataDir];
  const script = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  scripts.push(script);
  for await (const line of createInterface({ input: script.stdout })) {
    const ready = /^ready at (\S+) .*\(process (\d+)/.exec(line);
    if (ready) return { script, brokers: ready[1]!, pid: Number(ready[2]) };
  }
  throw new Error('the script ended before it was ready');
}

function isOver(script: ChildProcess): boolean {
  return script.exitCode !== null || script.signalCode !== null;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
