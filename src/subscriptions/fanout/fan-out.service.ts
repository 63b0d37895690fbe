import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { EnginePool } from '../../database/engine-pool.js';
import { Signals } from '../../database/signals.js';
import { Metrics } from '../../platform/metrics.js';
import { claimBatch } from '../../events/bus/claim.js';
import { EventBus, type EventBatch, type Subscription } from '../../events/bus/event-bus.js';
import { EventLog, type EventHeader } from '../../events/log/event-log.js';
import { EndpointIndex } from './endpoint-index.js';
import {
  endpointSetVersionSql,
  insertDeliveriesSql,
  listenersSql,
  lockCountersSql,
} from './sql/fan-out.js';

/** The consumer group of fan-out; its cursors say what has been turned into deliveries. */
export const fanOutGroup = 'fan-out';

/** Rows of one insert: bounds a statement's memory where an event goes to very many endpoints. */
const mostRowsAtOnce = 10_000;

/** Turns each event into one delivery row for every endpoint that wants it, numbered without gaps. */
@Injectable()
export class FanOutService implements OnApplicationBootstrap, OnModuleDestroy {
  private subscription?: Subscription;
  private cached?: { version: string; index: EndpointIndex };

  constructor(
    private readonly bus: EventBus,
    private readonly pool: EnginePool,
    private readonly log: EventLog,
    private readonly signals: Signals,
    private readonly metrics: Metrics,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.subscription = await this.bus.subscribe(fanOutGroup, (batch) => this.handle(batch));
  }

  async onModuleDestroy(): Promise<void> {
    await this.subscription?.stop();
  }

  /** One transaction per batch: the cursor, the numbers and the rows, or nothing of it. */
  async handle(batch: EventBatch): Promise<void> {
    const { endpointIds, made } = await this.pool.transaction(async (client) => {
      await claimBatch(client, batch);
      const index = await this.endpoints(client);
      const routes = await index.route(batch.events, (ids) => this.log.eventsOf(ids, client));
      return routes.size > 0 ? this.write(client, routes) : { endpointIds: [], made: 0 };
    });
    if (made === 0) return;
    this.metrics.deliveriesMade.inc(made);
    this.signals.emit('deliveries', endpointIds);
  }

  private async write(
    client: PoolClient,
    routes: Map<string, EventHeader[]>,
  ): Promise<{ endpointIds: string[]; made: number }> {
    const { rows: counters } = await client.query<{ endpoint_id: string; last_sequence: string }>({
      name: 'fan-out-lock',
      text: lockCountersSql,
      values: [[...routes.keys()]],
    });
    const rows = new DeliveryRows();
    const sequences: number[] = [];
    for (const { endpoint_id, last_sequence } of counters) {
      let sequence = Number(last_sequence);
      for (const event of routes.get(endpoint_id)!) rows.add(endpoint_id, ++sequence, event);
      sequences.push(sequence);
    }
    const endpointIds = counters.map(({ endpoint_id }) => endpoint_id);
    for (const { columns, isLast } of rows.chunks(mostRowsAtOnce)) {
      const values = [...columns, ...(isLast ? [endpointIds, sequences] : [[], []])];
      await client.query({ name: 'fan-out-insert', text: insertDeliveriesSql, values });
    }
    return { endpointIds, made: rows.length };
  }

  private async endpoints(client: PoolClient): Promise<EndpointIndex> {
    const { rows } = await client.query<{ version: string }>({
      name: 'endpoint-set-version',
      text: endpointSetVersionSql,
    });
    const { version } = rows[0]!;
    if (this.cached?.version !== version) {
      const listeners = await client.query(listenersSql);
      const index = new EndpointIndex(
        listeners.rows.map((row) => ({
          id: row.id,
          owner: row.owner,
          eventTypes: row.event_types,
          practiceIds: row.practice_ids,
          excludeOwn: row.exclude_own,
          from: { generation: row.from_generation, xactId: row.from_xact_id, seq: '0' },
        })),
      );
      this.cached = { version, index };
    }
    return this.cached.index;
  }
}

/**
 * Delivery rows as the columns that `unnest` takes, each a PostgreSQL array literal: ids, numbers and names of types
 * need no escaping, for which the driver would search every one of them.
 */
class DeliveryRows {
  private readonly columns: (string | number)[][] = [[], [], [], [], []];

  add(endpointId: string, sequence: number, event: EventHeader): void {
    const [endpoints, sequences, events, types, practices] = this.columns;
    endpoints!.push(endpointId);
    sequences!.push(sequence);
    events!.push(event.id);
    types!.push(event.type);
    practices!.push(event.practiceId ?? 'null');
  }

  get length(): number {
    return this.columns[0]!.length;
  }

  *chunks(size: number): Generator<{ columns: string[]; isLast: boolean }> {
    for (let from = 0; from < this.length; from += size) {
      const columns = this.columns.map((column) => `{${column.slice(from, from + size).join()}}`);
      yield { columns, isLast: from + size >= this.length };
    }
  }
}
