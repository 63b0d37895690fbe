import pg from 'pg';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { dataSourceOptions } from '../../src/database/data-source.js';
import { EnginePool } from '../../src/database/engine-pool.js';
import { Leases } from '../../src/database/leases.js';
import { Signals } from '../../src/database/signals.js';
import { Transactions, type Tx } from '../../src/database/transactions.js';
import { catalog } from '../../src/events/catalog/catalog.js';
import { claimBatch } from '../../src/events/bus/claim.js';
import { Cursors } from '../../src/events/bus/cursors.js';
import type { BatchHandler, EventBatch, EventBus } from '../../src/events/bus/event-bus.js';
import { Handover } from '../../src/events/bus/handover.js';
import { KafkaBus } from '../../src/events/bus/kafka/kafka-bus.js';
import { RelayStore } from '../../src/events/bus/kafka/relay-store.js';
import { Relay } from '../../src/events/bus/kafka/relay.js';
import { Topic } from '../../src/events/bus/kafka/topic.js';
import { ParkedEvents } from '../../src/events/bus/parked-events.js';
import { PostgresLogBus } from '../../src/events/bus/postgres-log/postgres-log-bus.js';
import { EventLog, type LogPage } from '../../src/events/log/event-log.js';
import { Outbox } from '../../src/events/outbox/outbox.js';
import type { Position } from '../../src/events/position.js';
import { Logger } from '../../src/platform/logger.js';
import { readSettings } from '../../src/platform/settings.js';
import type { DataKeys } from '../../src/sealing/data-keys.js';
import { createTestDatabase } from './postgres.js';
import { testKeys } from './sealed.js';

/** The log as it is, which also tells how often it was read: what a test waits for instead of a while. */
class WatchedLog extends EventLog {
  reads = 0;

  override readHeaders(after: Position, limit: number) {
    return this.counted(super.readHeaders(after, limit));
  }
  override readEvents(after: Position, limit: number) {
    return this.counted(super.readEvents(after, limit));
  }
  private async counted<T>(page: Promise<LogPage<T>>): Promise<LogPage<T>> {
    await page;
    this.reads += 1;
    return page;
  }
}

/** What of a hub carries events, without the rest of it; several may share a stage's database. */
export interface BusHub {
  bus: EventBus;
  log: WatchedLog;
  pool: EnginePool;
  close(): Promise<void>;
}

export interface BusStage {
  url: string;
  /** A pool of the test's own. */
  database: pg.Pool;
  transactions: Transactions;
  outbox: Outbox;
  /** A hub whose bus follows the settings: `KAFKA_BROKERS` makes it Kafka. */
  startHub(settings?: Record<string, string>): BusHub;
  /** Says `count` events about one new patient of the practice, in one transaction. */
  emit(practiceId: string, count?: number): Promise<string[]>;
  /** Writes the events in the caller's transaction. */
  append(tx: Tx, practiceId: string, subjectId: string, subjectVersion: number): Promise<string[]>;
  /** What handlers made by `effects` have done to a group's events, in the order of doing. */
  effects(group: string): Promise<Effect[]>;
  /** Every event of the log, in its order. */
  logged(): Promise<Effect[]>;
  /** Removes the database, and closes every hub that is still open. */
  close(): Promise<void>;
}

export interface Effect {
  eventId: string;
  practiceId: string;
  subject: string;
  version: number;
}

/** A database of its own with hubs on it that consist of a bus. */
export async function openBusStage(settings: Record<string, string> = {}): Promise<BusStage> {
  const { url, drop } = await createTestDatabase();
  const database = new pg.Pool({ connectionString: url, max: 4 });
  database.on('error', () => undefined);
  await database.query(`
    create table effects (
      place bigint generated always as identity, consumer_group text not null, event_id uuid not null);
    grant all on effects to hub_engine`);
  const dataSource = await new DataSource(dataSourceOptions(url, 12)).initialize();
  const signals = new Signals(url);
  await signals.start();
  const transactions = new Transactions(dataSource, signals);
  const keyPool = new EnginePool(url, 8);
  const keys = testKeys(keyPool, signals);
  await keys.start();
  const outbox = new Outbox(keys);
  const hubs = new Set<BusHub>();

  const append = (tx: Tx, practiceId: string, subjectId: string, subjectVersion: number) => {
    const data = { ...catalog['patient.created'].example, patientId: subjectId };
    const event = { type: 'patient.created', practiceId, subjectId, subjectVersion, data } as const;
    return outbox.append(tx, { actor: 'operator', correlationId: 'a-spec' }, [event]);
  };
  const read = async (sql: string, values: unknown[]): Promise<Effect[]> =>
    (await database.query(sql, values)).rows;

  return {
    url,
    database,
    transactions,
    outbox,
    append,
    startHub: (more = {}) => {
      const hub = startBusHub(url, signals, keys, { ...settings, ...more }, () => hubs.delete(hub));
      hubs.add(hub);
      return hub;
    },
    emit: (practiceId, count = 1) =>
      transactions.run([practiceId], async (tx) => {
        const subject = uuidv7();
        const ids: string[] = [];
        for (let version = 1; version <= count; version += 1) {
          ids.push(...(await append(tx, practiceId, subject, version)));
        }
        return ids;
      }),
    effects: (group) =>
      read(
        `select f.event_id as "eventId", e.practice_id as "practiceId", e.subject, e.subject_version as version
         from effects as f left join events as e on e.id = f.event_id
         where f.consumer_group = $1 order by f.place`,
        [group],
      ),
    logged: () =>
      read(
        `select id as "eventId", practice_id as "practiceId", subject, subject_version as version
         from events order by generation, xact_id, seq`,
        [],
      ),
    close: async () => {
      await Promise.all([...hubs].map((hub) => hub.close()));
      await keys.stop();
      await keyPool.end();
      await signals.stop();
      await dataSource.destroy();
      await database.end();
      await drop();
    },
  };
}

function startBusHub(
  url: string,
  signals: Signals,
  keys: DataKeys,
  environment: Record<string, string>,
  onClose: () => void,
): BusHub {
  const settings = readSettings({
    DATABASE_URL: url,
    HUB_LEASE_SECONDS: '2',
    HUB_DATABASE_CONNECTIONS: '20',
    ...environment,
  });
  const logger = new Logger(process.env.TEST_LOG_LEVEL ?? 'silent');
  const pool = new EnginePool(url, settings.databaseConnections);
  const log = new WatchedLog(pool, keys);
  const cursors = new Cursors(pool);
  const handover = new Handover(cursors, pool);
  const parked = new ParkedEvents(pool);
  const leases = new Leases(pool, settings);
  const store = new RelayStore(pool);
  const topic = new Topic(settings, logger);
  const relay = new Relay(log, store, cursors, topic, leases, signals, settings, logger);
  const bus = settings.kafkaBrokers
    ? new KafkaBus(log, cursors, handover, parked, relay, store, topic, settings, logger)
    : new PostgresLogBus(log, cursors, handover, parked, leases, signals, settings, logger);
  return {
    bus,
    log,
    pool,
    close: async () => {
      onClose();
      await bus.close();
      await pool.end();
    },
  };
}

/**
 * A handler as the port demands it: claims the batch, and notes each event in the same transaction.
 * `before` and `after` are where tests let it fail: before its transaction ends, and after.
 */
export function effectsOf(
  { pool }: BusHub,
  hooks: { before?: (batch: EventBatch) => void; after?: (batch: EventBatch) => void } = {},
): BatchHandler {
  return async (batch) => {
    await pool.transaction(async (client) => {
      await claimBatch(client, batch);
      await client.query(
        `insert into effects (consumer_group, event_id)
         select $1, id from unnest($2::uuid[]) with ordinality as e (id, place) order by place`,
        [batch.group, batch.events.map(({ id }) => id)],
      );
      hooks.before?.(batch);
    });
    hooks.after?.(batch);
  };
}
