import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { startBroker, type Broker } from '../scripts/kafka/broker.js';
import { Leash } from '../scripts/kafka/leash.js';
import { buildTestHub } from '../test/support/build-hub.js';
import { Api } from './api.js';
import { Database } from './database.js';
import { counted } from '../src/platform/counted.js';
import { Hub } from './hubs.js';
import type { Random } from './random.js';
import { Receiver } from './receiver.js';

const readyWithinMs = 90_000;

export interface StageOptions {
  hubs: number;
  bus: 'log' | 'kafka';
  /** Where the hub's sources are. */
  source: string;
  say: (line: string) => void;
}

/** Everything a run starts and must end: PostgreSQL, Kafka, hubs, the receiver, and a folder for what they write. */
export class Stage {
  readonly hubs: Hub[] = [];
  /** What hubs that ended without our doing said last. */
  readonly crashes: string[] = [];
  database!: Database;
  /** Undefined with the embedded log, and where the broker of KAFKA_BROKERS is not ours to end. */
  broker: Broker | undefined;
  receiver!: Receiver;
  api!: Api;
  private readonly undo: (() => Promise<unknown>)[] = [];
  private opened = false;
  private closing: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  constructor(private readonly options: StageOptions) {}

  async open(random: Random): Promise<void> {
    const { say, bus, source } = this.options;
    const folder = await mkdtemp(join(tmpdir(), 'practice-event-hub-chaos-'));
    const leash = new Leash(folder);
    this.undo.push(async () => {
      await rm(folder, { recursive: true, force: true });
      leash.release();
    });
    this.receiver = new Receiver(random);
    await this.receiver.open();
    this.undo.push(() => this.receiver.drop());
    say('starting PostgreSQL');
    const build = await buildTestHub(source);
    this.database = await Database.start(join(folder, 'postgres'));
    this.undo.push(() => this.database.close());
    const settings = await this.settings(folder, bus === 'kafka' ? await this.kafka() : undefined);
    this.api = new Api(this.hubs, settings.HUB_OPERATOR_KEY!);
    say(`starting ${counted(this.options.hubs, 'hub')}`);
    // The first one migrates the database, the others find it done.
    for (let nth = 1; nth <= this.options.hubs; nth += 1) {
      this.addHub(`hub ${nth}`, build, settings);
      if (nth === 1) await this.untilReady();
    }
    await this.untilReady();
    this.opened = true;
  }

  /** A connection to the database, for questions that must be answered now. */
  async query<T extends object>(sql: string, values: unknown[] = []): Promise<T[]> {
    const client = new pg.Client({
      connectionString: this.database.url,
      connectionTimeoutMillis: 5000,
      query_timeout: 30_000,
    });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<T>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** Resolves when every hub answers. @throws when one does not get ready in time, with what it said last. */
  async untilReady(): Promise<void> {
    const deadline = performance.now() + readyWithinMs;
    for (;;) {
      const down = this.hubs.find(({ url, frozen }) => url === undefined || frozen);
      if (!down) return;
      if (this.stopping.signal.aborted) throw new Error('stopped');
      // Nothing has been done to it yet.
      const failed = !this.opened && down.starts > 1;
      if (failed || performance.now() > deadline) {
        throw new Error(
          `${down.name} did not get ready. It said last:\n${down.output.slice(-4000)}`,
        );
      }
      await delay(50);
    }
  }

  /** Ends everything, the latest first. May be called while something starts, which then fails. */
  close(): Promise<void> {
    return (this.closing ??= (async () => {
      this.stopping.abort();
      for (const step of this.undo.splice(0).reverse()) {
        await step().catch((error: Error) => this.options.say(`closing: ${error.message}`));
      }
    })());
  }

  private addHub(name: string, build: string, settings: Record<string, string>): void {
    const { say } = this.options;
    const onCrash = (crashed: string, lastWords: string) => {
      this.crashes.push(`${crashed} ended by itself. It said last:\n${lastWords}`);
      say(`${crashed} ENDED BY ITSELF`);
    };
    const hub = new Hub(name, { build, settings, say, onCrash });
    this.hubs.push(hub);
    this.undo.push(() => hub.close());
  }

  /** The brokers' address. */
  private async kafka(): Promise<string> {
    const { say } = this.options;
    const given = process.env.KAFKA_BROKERS;
    if (given) {
      say(`Kafka at ${given} is not ours: it is used, and left alone`);
      return given;
    }
    say('starting Kafka');
    const { signal } = this.stopping;
    this.broker = await startBroker({ shortLived: true, log: say, signal });
    this.undo.push(() => this.broker!.stop());
    return this.broker.brokers;
  }

  private async settings(folder: string, brokers?: string): Promise<Record<string, string>> {
    return {
      DATABASE_URL: this.database.url,
      HOST: '127.0.0.1',
      PORT: '0',
      HUB_MASTER_KEY: randomBytes(32).toString('base64'),
      HUB_OPERATOR_KEY: `hub_live_${randomBytes(24).toString('base64url')}`,
      HUB_ALLOW_NETWORKS: '127.0.0.0/8',
      HUB_LEASE_SECONDS: '2',
      HUB_API_RATE_LIMIT: '0',
      HUB_DATABASE_CONNECTIONS: '12',
      HUB_CIRCUIT_PAUSE_SECONDS: '2',
      HUB_WEBHOOK_TIMEOUT_SECONDS: '5',
      HUB_LOG_LEVEL: 'warn',
      // Hubs start often here.
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
      ...(brokers && {
        KAFKA_BROKERS: brokers,
        HUB_KAFKA_TOPIC: `practice.events.chaos-${randomBytes(4).toString('hex')}`,
        HUB_KAFKA_PARTITIONS: '6',
      }),
    };
  }
}
