import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { exec } from '../../scripts/kafka/java.js';
import { Leash } from '../../scripts/kafka/leash.js';
import { freePort } from '../../scripts/kafka/ports.js';
import { clusterId } from '../../scripts/kafka/probe.js';

type Log = (line: string) => void;

const PULL_TIMEOUT_MS = 600_000;
const READY_TIMEOUT_MS = 120_000;

/** Whether a container engine runs here and has the image, which is pulled if it must be. */
export async function pullKafkaImage(version: string, log: Log): Promise<boolean> {
  const image = imageOf(version);
  try {
    await exec('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 20_000 });
  } catch {
    return false;
  }
  try {
    await exec('docker', ['image', 'inspect', image], { timeout: 20_000 }).catch(() => {
      log(`pulling ${image}, once ...`);
      return exec('docker', ['pull', '--quiet', image], { timeout: PULL_TIMEOUT_MS });
    });
    return true;
  } catch (error) {
    log(`Docker runs, but has no ${image}, so Kafka's jars are tried: ${(error as Error).message}`);
    return false;
  }
}

/** A one-node Kafka in a container, on a free port of 127.0.0.1. It ends with this process at the latest. */
export async function startKafkaContainer(version: string, log: Log) {
  const port = await freePort();
  const brokers = `127.0.0.1:${port}`;
  // The same port inside as outside: the address it announces must lead to it from both sides,
  // because the broker connects to itself by that address too.
  const environment = {
    KAFKA_NODE_ID: 1,
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_LISTENERS: `BROKER://:${port},CONTROLLER://:9093`,
    KAFKA_ADVERTISED_LISTENERS: `BROKER://${brokers}`,
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT',
    KAFKA_INTER_BROKER_LISTENER_NAME: 'BROKER',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 1,
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1,
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 1,
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: 1,
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: 1,
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: 0,
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: false,
    KAFKA_HEAP_OPTS: '-Xmx512m',
  };
  const settings = Object.entries(environment).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  const publish = ['--publish', `${brokers}:${port}`];
  const folder = await mkdtemp(path.join(tmpdir(), 'hub-kafka-'));
  const logFile = path.join(folder, 'docker.log');
  const out = openSync(logFile, 'a');
  // In the foreground: the client hands its SIGTERM on to the container, so the leash holds that too.
  // Its output goes to a file, as a pipe would break with this process and end it before the leash does.
  const child = spawn('docker', ['run', '--rm', ...publish, ...settings, imageOf(version)], {
    stdio: ['ignore', out, out],
    detached: true,
  });
  closeSync(out);
  const leash = new Leash(folder);
  leash.hold(child.pid ?? 0);
  let running = true;
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      running = false;
      resolve();
    };
    child.once('exit', end).once('error', end);
  });
  const stop = async () => {
    if (running) child.kill('SIGTERM');
    await ended;
    leash.release();
    await rm(folder, { recursive: true, force: true });
  };

  log(`starting a container of ${imageOf(version)} at ${brokers}`);
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (!(await clusterId(brokers).catch(() => undefined))) {
    if (!running || performance.now() > deadline) {
      const said = (await readFile(logFile, 'utf8')).slice(-2_000);
      await stop();
      throw new Error(`The Kafka container did not get ready. It said last:\n${said}`);
    }
    await delay(100);
  }
  return { brokers, stop };
}

function imageOf(version: string): string {
  return `apache/kafka:${version}`;
}
