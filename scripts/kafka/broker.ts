import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { kafkaJars } from './jars.js';
import { findJava, QUICK_START } from './java.js';
import { Leash } from './leash.js';
import { freePort, isFree } from './ports.js';
import { clusterId } from './probe.js';
import {
  BROKER_CLASS,
  brokerFiles,
  claimFolder,
  formatStorage,
  serverProperties,
} from './storage.js';

const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;
const PORT_ATTEMPTS = 3;

export interface BrokerOptions {
  /** Absent or 0: a free one. */
  port?: number;
  /** Kept at stop. Absent: a temporary folder, removed at stop. */
  dataDir?: string;
  /** Compiles less: ready with half the CPU time (3.8 s against 6.7 s), slower under load. For tests. */
  shortLived?: boolean;
  log: (line: string) => void;
  /** Ends a start that is under way; what was begun is undone. */
  signal?: AbortSignal;
}

interface Installation {
  java: string;
  javaOptions: string[];
  jars: string;
  dataDir: string;
  cluster: string;
}

/**
 * Starts a real Apache Kafka of one node on 127.0.0.1 and resolves when it answers a metadata
 * request. It ends with this process at the latest. Throws KafkaUnavailable when this machine lacks
 * what it takes (Java, Maven for the first time), and an Error that names the port or folder in use.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { log, signal } = options;
  if (options.port && !(await isFree(options.port))) {
    throw new Error(`Port ${options.port} on 127.0.0.1 is taken. Choose another one.`);
  }
  const java = await findJava();
  const jars = await kafkaJars({ log, ...(signal && { signal }) });
  const temporary = options.dataDir === undefined;
  const dataDir = await folder(options.dataDir);
  const leash = new Leash(temporary ? dataDir : undefined);
  try {
    const cluster = await formatStorage(java, jars, dataDir, signal);
    const javaOptions = options.shortLived ? ['-Xmx512m', QUICK_START] : ['-Xmx512m'];
    const installation = { java, javaOptions, jars, dataDir, cluster };
    const broker = new Broker(installation, temporary, leash, log);
    await broker.start(options.port || undefined, signal);
    return broker;
  } catch (error) {
    leash.release();
    if (temporary) await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}

/** A running broker of `startBroker`. */
export class Broker {
  private process: ChildProcess | undefined;
  private exited: Promise<void> = Promise.resolve();
  private port = 0;
  /** Where in the log file the output of the present process begins. */
  private logStart = 0;

  constructor(
    private readonly installation: Installation,
    private readonly temporary: boolean,
    private readonly leash: Leash,
    private readonly log: (line: string) => void,
  ) {}

  /** As KAFKA_BROKERS takes it. */
  get brokers(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Of Kafka's own process; 0 while it is down. */
  get pid(): number {
    return this.isRunning() ? (this.process?.pid ?? 0) : 0;
  }

  /** Java's output, appended to from one start to the next. */
  get logFile(): string {
    return brokerFiles(this.installation.dataDir).log;
  }

  /** Resolves when the process has ended, by whatever cause. */
  get ended(): Promise<void> {
    return this.exited;
  }

  /** Ends it in good order, and removes its data when that was temporary. */
  async stop(): Promise<void> {
    await this.terminate();
    this.leash.release();
    if (this.temporary) await rm(this.installation.dataDir, { recursive: true, force: true });
  }

  /** SIGKILL: what a crash of the process leaves is what it leaves. `restart` brings it back. */
  async kill(): Promise<void> {
    this.process?.kill('SIGKILL');
    await this.exited;
    this.leash.hold(0);
  }

  /** On the same port, with the same data. Ends it in good order first if it runs. */
  async restart(): Promise<void> {
    await this.terminate();
    await this.start(this.port);
  }

  /** Called by `startBroker` and `restart`. */
  async start(port?: number, signal?: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      this.port = port ?? (await freePort());
      try {
        await this.launch(signal);
        await this.untilReady(signal);
        return;
      } catch (error) {
        await this.kill();
        signal?.throwIfAborted();
        // Between the look for a free port and its use another process may have taken it. The
        // controller's is chosen anew in any case.
        const ours = port === undefined || (await isFree(port));
        if (!ours || attempt === PORT_ATTEMPTS || !isBindError(error)) throw error;
      }
    }
  }

  private async launch(signal?: AbortSignal): Promise<void> {
    const { java, javaOptions, jars, dataDir } = this.installation;
    const files = brokerFiles(dataDir);
    const at = { data: files.data, port: this.port, controllerPort: await freePort() };
    signal?.throwIfAborted();
    claimFolder(dataDir, () => {
      writeFileSync(files.config, serverProperties(at));
      const out = openSync(files.log, 'a');
      this.logStart = fstatSync(out).size;
      const args = [...javaOptions, '-Dorg.slf4j.simpleLogger.showDateTime=true'];
      args.push('-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS');
      args.push('-cp', path.join(jars, '*'), BROKER_CLASS, files.config);
      // Detached: a terminal's Ctrl-C must reach this process alone, which then ends the broker.
      const child = spawn(java, args, { stdio: ['ignore', out, out], detached: true });
      closeSync(out);
      this.process = child;
      this.exited = new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.once('error', () => resolve());
      });
      this.leash.hold(child.pid ?? 0);
      return child.pid ?? 0;
    });
  }

  private async untilReady(signal?: AbortSignal): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    for (;;) {
      if (!this.isRunning()) throw new Error(await this.complaint('Kafka ended while it started'));
      // The id tells this broker from another one that answers on its port.
      const cluster = await clusterId(this.brokers).catch(() => undefined);
      if (cluster === this.installation.cluster) return;
      signal?.throwIfAborted();
      if (performance.now() > deadline) {
        throw new Error(
          await this.complaint(`Kafka was not ready in ${READY_TIMEOUT_MS / 1000} s`),
        );
      }
      await delay(50);
    }
  }

  private async terminate(): Promise<void> {
    if (this.isRunning()) {
      this.process?.kill('SIGTERM');
      const late = setTimeout(() => {
        this.log(`Kafka did not stop in ${STOP_TIMEOUT_MS / 1000} s and is killed`);
        this.process?.kill('SIGKILL');
      }, STOP_TIMEOUT_MS);
      await this.exited;
      clearTimeout(late);
    }
    this.leash.hold(0);
  }

  private isRunning(): boolean {
    const child = this.process;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  private async complaint(what: string): Promise<string> {
    const bytes = await readFile(this.logFile).catch(() => Buffer.alloc(0));
    const text = bytes.subarray(this.logStart).toString();
    const lines = text.split('\n').filter((line) => / ERROR |Exception|^Error|memory/.test(line));
    return [`${what}. Its log is ${this.logFile}:`, ...lines.slice(-8)].join('\n  ');
  }
}

function isBindError(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Address already in use');
}

async function folder(dataDir: string | undefined): Promise<string> {
  if (dataDir === undefined) return mkdtemp(path.join(os.tmpdir(), 'hub-kafka-'));
  await mkdir(dataDir, { recursive: true });
  return realpath(dataDir);
}
