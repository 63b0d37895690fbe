import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.js';
import { startCluster, versionOf } from '../test/support/postgres-servers.js';
import { BenchHub } from './bench-hub.js';
import { Child } from './child.js';
import type { Processes } from './cpu.js';
import type { LoaderOrder, LoaderReport } from './loader.js';
import type { RawOrder, RawReport } from './raw.js';
import type { ReceiverOrder, ReceiverReport } from './receiver.js';

const startedWithinMs = 30_000;

/** What all measurements share: the database server, the receiver, the raw sender and the loader. */
export class Stage {
  private readonly undo: (() => Promise<unknown>)[] = [];
  receiver!: Child<ReceiverOrder, ReceiverReport>;
  raw!: Child<RawOrder, RawReport>;
  loader!: Child<LoaderOrder, LoaderReport>;
  postgres!: { url: string; version: string };
  /** Where the receiver listens. */
  origin!: string;
  /** Set by whoever starts a broker. */
  brokerPid?: number;
  private postgresPid!: number;

  /** @param programs the folder of another PostgreSQL's programs; without it the hub's embedded one is used */
  async open(programs?: string): Promise<void> {
    await (programs ? this.openMachines(programs) : this.openEmbedded());
    this.postgresPid = await postmasterOf(this.postgres.url);
    this.receiver = new Child('./receiver.ts');
    this.undo.push(() => this.receiver.stop());
    const listening = await this.receiver.report(
      (report) => report.kind === 'listening',
      startedWithinMs,
    );
    this.origin = `http://127.0.0.1:${listening.port}`;
    this.raw = new Child('./raw.ts');
    this.undo.push(() => this.raw.stop());
    this.loader = new Child('./loader.ts');
    this.undo.push(() => this.loader.stop());
  }

  private async openEmbedded(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'practice-event-hub-bench-'));
    this.undo.push(() => rm(folder, { recursive: true, force: true }));
    const server = await startEmbeddedPostgres({ dataDir: folder, log: () => undefined });
    this.undo.push(async () => {
      await server.stop();
      // Under root the data may lie elsewhere.
      await rm(server.dataDir, { recursive: true, force: true });
    });
    this.postgres = server;
  }

  private async openMachines(programs: string): Promise<void> {
    const version = await versionOf(programs);
    if (!version) throw new Error(`${programs} holds no postgres with initdb, pg_dump and psql`);
    const cluster = await startCluster({ folder: programs, version }, true);
    this.undo.push(() => cluster.stop());
    this.postgres = { url: cluster.url, version };
  }

  /** What `close` undoes as well, the latest first. */
  onClose(step: () => Promise<unknown>): void {
    this.undo.push(step);
  }

  /** May be called while something is under way, which then fails. */
  async close(): Promise<void> {
    for (const step of this.undo.splice(0).reverse()) {
      await step().catch((error: Error) => console.error(`Closing: ${error.message}`));
    }
  }

  /** @param brokers of Kafka; without them the events travel over the embedded log. */
  async startHub(brokers?: string): Promise<BenchHub> {
    const name = `bench_${randomBytes(4).toString('hex')}`;
    const admin = new pg.Client(this.postgres.url);
    await admin.connect();
    await admin.query(`create database ${name}`).finally(() => admin.end());
    const hub = await BenchHub.start(this.postgres.url.replace(/[^/]+$/, name), brokers);
    this.undo.push(() => hub.stop());
    return hub;
  }

  /** Whose CPU time a delivery costs. */
  processes(hub: BenchHub): Processes {
    return {
      hub: hub.pid,
      PostgreSQL: this.postgresPid,
      receiver: this.receiver.pid,
      ...(this.brokerPid && { broker: this.brokerPid }),
    };
  }

  /** Resolves when the receiver has counted so many, with the moment on the machine's monotonic clock. */
  async counted(count: number, withinMs: number): Promise<bigint> {
    this.receiver.order({ count });
    const { at } = await this.receiver.report((report) => report.kind === 'counted', withinMs);
    return BigInt(at);
  }

  /** Milliseconds of the timed webhooks since the last call. */
  async latencies(): Promise<number[]> {
    this.receiver.order({ latencies: true });
    const { ms } = await this.receiver.report((report) => report.kind === 'latencies', 30_000);
    return ms;
  }

  /** Ends with the last answer. */
  async load(order: LoaderOrder, withinMs: number): Promise<{ began: bigint; ended: bigint }> {
    this.loader.order(order);
    const { began, ended } = await this.loader.report(
      (report): report is LoaderReport => 'began' in report,
      withinMs,
    );
    return { began: BigInt(began), ended: BigInt(ended) };
  }
}

/** The process whose children serve its connections, for `cpuOf`. */
export async function postmasterOf(url: string): Promise<number> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query(`select current_setting('data_directory') as folder`);
    return Number.parseInt(await readFile(join(rows[0].folder, 'postmaster.pid'), 'utf8'), 10);
  } finally {
    await client.end();
  }
}
