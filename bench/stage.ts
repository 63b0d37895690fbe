import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { startHubProcess } from '../demo/hub-process.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/database/embedded-postgres.js';
import { Child } from './child.js';
import type { RawOrder, RawReport } from './raw.js';
import type { ReceiverOrder, ReceiverReport } from './receiver.js';

const practiceCount = 20;
const startedWithinMs = 30_000;

/** A hub in a process of its own, on a database of its own, with practices and an endpoint for each measurement. */
export interface BenchHub {
  url: string;
  key: string;
  databaseUrl: string;
  database: pg.Pool;
  practiceIds: string[];
  /** Gets the charges of the backlog. */
  backlogEndpointId: string;
  stop(): Promise<void>;
}

/** What all measurements share: the database server, the receiver and the raw sender. */
export class Stage {
  private readonly undo: (() => Promise<unknown>)[] = [];
  receiver!: Child<ReceiverOrder, ReceiverReport>;
  raw!: Child<RawOrder, RawReport>;
  postgres!: EmbeddedPostgres;
  /** Where the receiver listens. */
  origin!: string;

  async open(): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'practice-event-hub-bench-'));
    this.undo.push(() => rm(folder, { recursive: true, force: true }));
    this.postgres = await startEmbeddedPostgres({ dataDir: folder, log: () => undefined });
    this.undo.push(async () => {
      await this.postgres.stop();
      // Under root the data may lie elsewhere.
      await rm(this.postgres.dataDir, { recursive: true, force: true });
    });
    this.receiver = new Child('./receiver.ts');
    this.undo.push(() => this.receiver.stop());
    const listening = await this.receiver.report(
      (report) => report.kind === 'listening',
      startedWithinMs,
    );
    this.origin = `http://127.0.0.1:${listening.port}`;
    this.raw = new Child('./raw.ts');
    this.undo.push(() => this.raw.stop());
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
    const databaseUrl = this.postgres.url.replace(/[^/]+$/, name);
    const database = new pg.Pool({ connectionString: databaseUrl, max: 2 });
    database.on('error', () => undefined);
    const key = `hub_live_${randomBytes(24).toString('base64url')}`;
    const hub = await startHubProcess({
      DATABASE_URL: databaseUrl,
      HUB_OPERATOR_KEY: key,
      HUB_ALLOW_NETWORKS: '127.0.0.0/8',
      HUB_PUBLIC_URL: '',
      HUB_LOG_LEVEL: 'warn',
      HOST: '127.0.0.1',
      PORT: '0',
      KAFKA_BROKERS: brokers ?? '',
      HUB_KAFKA_TOPIC: `practice.events.${name}`,
    });
    let stopped: Promise<void> | undefined;
    const stop = () => (stopped ??= hub.stop().then(() => database.end()));
    this.undo.push(stop);
    const api = { url: hub.url, key };
    const practiceIds: string[] = [];
    while (practiceIds.length < practiceCount) {
      const practice = { name: 'Elm Street Dental', kind: 'dental' };
      const place = { timeZone: 'America/Chicago', currency: 'USD' };
      practiceIds.push((await post(api, '/v1/practices', { ...practice, ...place })).id);
    }
    const listen = (path: string, type: string) =>
      post(api, '/v1/endpoints', { url: `${this.origin}${path}`, eventTypes: [type] });
    const { id: backlogEndpointId } = await listen('/backlog', 'charge.posted');
    await listen('/watched', 'payment.posted');
    return { ...api, databaseUrl, database, practiceIds, backlogEndpointId, stop };
  }
}

/** One call of the hub's API, outside of what is measured. */
export async function post(
  { url, key }: { url: string; key: string },
  path: string,
  body: object,
): Promise<{ id: string }> {
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as { id: string };
}
