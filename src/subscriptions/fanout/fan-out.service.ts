import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { EnginePool } from '../../database/engine-pool.js';
import { Signals } from '../../database/signals.js';
import { Metrics } from '../../platform/metrics.js';
import { BatchTaken, claimBatch } from '../../events/bus/claim.js';
import { EventBus, type EventBatch, type Subscription } from '../../events/bus/event-bus.js';
import { EventLog, type EventHeader } from '../../events/log/event-log.js';
import { Deliverer } from '../deliveries/deliverer.js';
import { EventCache } from '../deliveries/event-cache.js';
import type { LoggedEvent } from '../deliveries/logged-event.js';
import { restrictedAmong } from '../../events/log/restricted-events.js';
import { Reaches } from '../reach/reaches.js';
import { DeliveryRows } from './delivery-rows.js';
import {
  EndpointIndex,
  listenerFromRow,
  type ListenerRow,
  type Lookups,
} from './endpoint-index.js';
import {
  endpointSetVersionSql,
  fanOutCountSql,
  fanOutRowsSql,
  insertDeliveriesSql,
  listenersSql,
  lockCountersSql,
} from './sql/fan-out.js';

/** The consumer group of fan-out; its cursors say what has been turned into deliveries. */
export const fanOutGroup = 'fan-out';

/** Rows of one insert: bounds a statement's memory where an event goes to very many endpoints. */
const mostRowsAtOnce = 10_000;
/** A batch of so few deliveries is handed to the deliverer; of more, most would find no room there. */
const mostHandedOver = 200;

type Routes = Map<string, EventHeader[]>;

/** Who wants what, under a version of the endpoints and of what they may hear. */
interface Routing {
  version: string;
  index: EndpointIndex;
  /** The hub's monotonic clock after which a grant has begun or ended. */
  until: number;
}

interface Made {
  id: string;
  endpointId: string;
  sequence: number;
  eventId: string;
}

/** Turns each event into one delivery row for every endpoint that wants it, numbered without gaps. */
@Injectable()
export class FanOutService implements OnApplicationBootstrap, OnModuleDestroy {
  private subscription?: Subscription;
  private cached?: Routing;

  constructor(
    private readonly bus: EventBus,
    private readonly pool: EnginePool,
    private readonly log: EventLog,
    private readonly deliverer: Deliverer,
    private readonly events: EventCache,
    private readonly reaches: Reaches,
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
    for (;;) {
      const { version, index } = this.current() ?? (await this.readEndpoints(this.pool));
      const routes = await index.route(batch.events, this.lookups(this.pool));
      const rows = rowsOf(routes);
      if (batch.redriven || batch.parked?.length || rows.length > mostRowsAtOnce) {
        return this.handleInSteps(batch);
      }
      if (await this.handleAtOnce(batch, version, routes, rows)) return;
      const now = await this.readEndpoints(this.pool);
      if (now.version === version) throw new BatchTaken(`${batch.group}/${batch.partition}`);
    }
  }

  /** @returns false where nothing was done: the cursor stands elsewhere, or an endpoint has changed */
  private async handleAtOnce(
    { group, bus, partition, after, through }: EventBatch,
    version: string,
    routes: Routes,
    rows: DeliveryRows,
  ): Promise<boolean> {
    const isSmall = rows.length <= mostHandedOver;
    const asked = this.pool.query({
      name: isSmall ? 'fan-out-rows' : 'fan-out-count',
      text: isSmall ? fanOutRowsSql : fanOutCountSql,
      values: [
        group,
        bus,
        partition,
        after.generation,
        after.xactId,
        after.seq,
        through.generation,
        through.xactId,
        through.seq,
        version,
        ...rows.literals,
        [...routes.keys()],
        [...routes.values()].map((events) => events.length),
      ],
    });
    // Behind the statement, which takes longer: what is read ahead comes back before its rows do.
    if (isSmall) this.events.prefetch(new Set([...routes.values()].flat().map(({ id }) => id)));
    const { rows: answer } = await asked;
    if (isSmall) {
      if (answer.length === 0) return false;
      await this.handOver(answer.filter(({ id }) => id !== null).map(madeFromRow), version);
      return true;
    }
    const made: number | null = answer[0].made;
    if (made === null) return false;
    this.announce(made, [...routes.keys()]);
    return true;
  }

  // What the deliverer has room for goes on at once; it looks for the rest itself.
  private async handOver(made: readonly Made[], version: string): Promise<void> {
    if (made.length === 0) return;
    this.metrics.deliveriesMade.inc(made.length);
    const byEndpoint = new Map<string, Made[]>();
    for (const delivery of made) {
      const own = byEndpoint.get(delivery.endpointId);
      if (own) own.push(delivery);
      else byEndpoint.set(delivery.endpointId, [delivery]);
    }
    const wanted = [...byEndpoint.keys()].filter((id) => this.deliverer.mayTake(id));
    const events =
      wanted.length > 0
        ? await this.events.get(made.map(({ eventId }) => eventId)).then(
            (found) => found.events,
            () => new Map<string, LoggedEvent>(),
          )
        : new Map<string, LoggedEvent>();
    const left = [...byEndpoint].filter(([id, own]) => {
      own.sort((a, b) => a.sequence - b.sequence);
      const due = own.flatMap(({ eventId, ...delivery }) => {
        const event = events.get(eventId);
        return event ? { ...delivery, event } : [];
      });
      return due.length < own.length || !this.deliverer.take(id, due, version);
    });
    if (left.length > 0)
      this.signals.emit(
        'deliveries',
        left.map(([id]) => id),
      );
  }

  private announce(made: number, endpointIds: string[]): void {
    if (made === 0) return;
    this.metrics.deliveriesMade.inc(made);
    this.signals.emit('deliveries', endpointIds);
  }

  // What is rare: a batch with events to be parked, one driven once more, one with very many deliveries.
  private async handleInSteps(batch: EventBatch): Promise<void> {
    const { endpointIds, made } = await this.pool.transaction(async (client) => {
      await claimBatch(client, batch);
      const { index } = await this.readEndpoints(client);
      const routes = await index.route(batch.events, this.lookups(client));
      return routes.size > 0 ? this.write(client, routes) : { endpointIds: [], made: 0 };
    });
    this.announce(made, endpointIds);
  }

  private async write(
    client: PoolClient,
    routes: Routes,
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

  private lookups(client: Pick<PoolClient, 'query'>): Lookups {
    return {
      read: (ids) => this.log.eventsOf(ids, client),
      restricted: (events) => restrictedAmong(client, events),
    };
  }

  private current(): Routing | undefined {
    return this.cached && this.cached.until > performance.now() ? this.cached : undefined;
  }

  /** The endpoints as they are now, from the cache where none has changed. */
  private async readEndpoints(client: Pick<PoolClient, 'query'>): Promise<Routing> {
    const { rows } = await client.query<{ version: string }>({
      name: 'endpoint-set-version',
      text: endpointSetVersionSql,
    });
    const { version } = rows[0]!;
    const current = this.current();
    if (current?.version === version) return current;
    // Read after the version: what changes between the two is found when the version is compared again.
    const listeners = await client.query<FanOutRow>(listenersSql);
    const access = await this.reaches.read(listeners.rows, client);
    const index = new EndpointIndex(
      listeners.rows.map((row) =>
        listenerFromRow(row, access.of(row), {
          generation: row.from_generation,
          xactId: row.from_xact_id,
          seq: '0',
        }),
      ),
    );
    return (this.cached = { version, index, until: access.until });
  }
}

interface FanOutRow extends ListenerRow {
  from_generation: number;
  from_xact_id: string;
}

function rowsOf(routes: Routes): DeliveryRows {
  const rows = new DeliveryRows();
  for (const [endpointId, events] of routes) {
    events.forEach((event, i) => rows.add(endpointId, i + 1, event));
  }
  return rows;
}

function madeFromRow(row: Record<string, string>): Made {
  return {
    id: row.id!,
    endpointId: row.endpoint_id!,
    sequence: Number(row.sequence),
    eventId: row.event_id!,
  };
}
