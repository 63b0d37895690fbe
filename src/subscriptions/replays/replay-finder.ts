import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import type { Querying } from '../../database/querying.js';
import type { Connections } from '../../database/scoped-reads.js';
import { EventBus } from '../../events/bus/event-bus.js';
import { keyOf, partitionOf } from '../../events/bus/partition-of.js';
import { erasedAmong, erasedPractices } from '../../events/log/erased-events.js';
import { EventLog, headerFromRow, type EventHeader } from '../../events/log/event-log.js';
import { positionFromRow, type HeaderRow } from '../../events/log/event-rows.js';
import { comparePositions, logStart, type Position } from '../../events/position.js';
import { mostAttempts, prefixesOf } from '../deliveries/deliveries.service.js';
import {
  EndpointIndex,
  listenerFromRow,
  practicesOf,
  type Listener,
  type ListenerRow,
} from '../fanout/endpoint-index.js';
import { fanOutGroup } from '../fanout/fan-out.service.js';
import type { Reach } from '../reach/reach.js';
import { restrictedAmong } from '../../events/log/restricted-events.js';
import { heardAmong, readAccess } from '../reach/reaches.js';
import {
  fanOutReachSql,
  listenerSql,
  matchingDeliveriesSql,
  missingEventsSql,
} from './sql/find.js';

/** What a replay is of: deliveries, and where something is missing, events. */
export interface Selection {
  endpointId: string;
  /** Bounds of time-ordered ids; null: from the first. */
  fromId: string | null;
  toId: string;
  /** Names and patterns of types; null: any. */
  types: string[] | null;
  statuses: readonly string[];
  missing: boolean;
}

export interface Found {
  eventId: string;
  /** Null where the event has no delivery to the endpoint yet. */
  deliveryId: string | null;
}

/** The last row of a stretch has a number and nothing else. */
interface MatchRow {
  id: string | null;
  event_id: string;
  practice_id: string | null;
  sequence: string;
}

const scanSize = 5000;
const fetchSize = 2000;

/** Bounds of the one query over the history; other statements keep the session's limit. */
export interface Patience {
  ms: number;
  /** Ends it at once, by ending its connection. */
  signal?: AbortSignal;
}

/** Finds what a replay is to send. Reads only, and in no transaction that writes: over years of history it takes a while. */
@Injectable()
export class ReplayFinder {
  constructor(
    private readonly bus: EventBus,
    private readonly log: EventLog,
  ) {}

  /** Pages of what matches: deliveries in order of their numbers, then events without one in log order. */
  async *find(
    pool: Connections,
    selection: Selection,
    patience: Patience,
  ): AsyncGenerator<Found[]> {
    const [row] = (await pool.query<ListenerRow>(listenerSql, [selection.endpointId])).rows;
    if (!row) return;
    const reach = (await readAccess(pool, [row])).of(row);
    const erasedIn = await erasedPractices(pool);
    yield* this.deliveries(pool, selection, reach, erasedIn);
    const listener = listenerFromRow(row, reach, logStart);
    if (selection.missing) yield* this.events(pool, selection, patience, listener, erasedIn);
  }

  private async *deliveries(
    pool: Connections,
    selection: Selection,
    reach: Reach,
    erasedIn: ReadonlySet<string>,
  ): AsyncGenerator<Found[]> {
    const { endpointId, fromId, toId, types, statuses } = selection;
    for (let after: string | undefined = '0'; after !== undefined;) {
      const values: unknown[] = [endpointId, after, fromId, toId, statuses, types];
      const { rows } = await pool.query<MatchRow>(matchingDeliveriesSql, [
        ...values,
        types && prefixesOf(types),
        scanSize,
        mostAttempts,
      ]);
      const matching = rows.flatMap(({ id, event_id, practice_id }) =>
        id === null ? [] : { id: event_id, practiceId: practice_id, deliveryId: id },
      );
      const ids = matching.map(({ id }) => id);
      const heard = await heardAmong(pool, reach, ids);
      const erased = await erasedAmong(pool, matching, erasedIn);
      const found = matching
        .filter(({ id }) => heard.has(id) && !erased.has(id))
        .map(({ id, deliveryId }) => ({ eventId: id, deliveryId }));
      if (found.length > 0) yield found;
      after = rows.find(({ id }) => id === null)?.sequence;
    }
  }

  /**
   * In one snapshot, so that an event that fan-out has handled shows its delivery; and READ ONLY, since a transaction
   * with an id of its own would hold back the log for every reader.
   */
  private async *events(
    pool: Connections,
    selection: Selection,
    { ms, signal }: Patience,
    listener: Listener,
    erasedIn: ReadonlySet<string>,
  ): AsyncGenerator<Found[]> {
    const client = await pool.connect();
    let broken = true;
    const end = () => void client.end().catch(() => undefined);
    signal?.addEventListener('abort', end);
    try {
      await client.query('begin isolation level repeatable read read only');
      await client.query(`set local statement_timeout = ${ms}`);
      await client.query(`set local cursor_tuple_fraction = 1`);
      // What the engine's connections avoid is right here, for once: reading whole stretches of tables.
      await client.query('set local enable_seqscan = on');
      // Without statistics of a young table the planner compares each event with each delivery.
      await client.query('set local enable_nestloop = off');
      yield* this.unrouted(client, selection, ms, listener, erasedIn);
      await client.query('commit');
      broken = false;
    } finally {
      signal?.removeEventListener('abort', end);
      // A caller that stops early leaves the cursor open, and a failed transaction has to end too.
      if (broken)
        await client.query('rollback').then(
          () => (broken = false),
          () => undefined,
        );
      client.release(broken);
    }
  }

  private async *unrouted(
    client: PoolClient,
    selection: Selection,
    searchMs: number,
    listener: Listener,
    erasedIn: ReadonlySet<string>,
  ): AsyncGenerator<Found[]> {
    const { endpointId, fromId, toId, types } = selection;
    const reach = await FanOutReach.read(client, this.bus.kind);
    if (!reach) return;
    const index = new EndpointIndex([listener]);
    // A plan that was made under these settings is not for others.
    const unnamed: Querying = { query: ({ text, values }) => client.query(text, values) };
    const { generation, xactId, seq } = reach.furthest;
    await client.query(missingEventsSql, [
      endpointId,
      fromId,
      toId,
      generation,
      xactId,
      seq,
      types,
      types && prefixesOf(types),
      listener.eventTypes,
      prefixesOf(listener.eventTypes),
      practicesOf(listener),
      fanOutGroup,
    ]);
    for (;;) {
      const { rows } = await client.query<HeaderRow>({
        text: `fetch ${fetchSize} from missing`,
        query_timeout: searchMs,
      } as { text: string });
      if (rows.length === 0) return;
      const handled = rows.map(headerFromRow).filter((event) => reach.includes(event));
      const routes = await index.route(handled, {
        read: (ids) => this.log.eventsOf(ids, client),
        restricted: (events) => restrictedAmong(unnamed, events),
      });
      const routed = routes.get(endpointId) ?? [];
      const erased = await erasedAmong(unnamed, routed, erasedIn);
      const wanted = routed.filter(({ id }) => !erased.has(id));
      if (wanted.length > 0) yield wanted.map(({ id }) => ({ eventId: id, deliveryId: null }));
    }
  }
}

/** What fan-out has handled: it stands somewhere else in every partition of the bus. */
class FanOutReach {
  private constructor(
    private readonly byPartition: ReadonlyMap<number, Position>,
    /** Null: the log is one stretch. */
    private readonly partitions: number | null,
    readonly furthest: Position,
  ) {}

  /** Undefined where it has not begun. */
  static async read(client: PoolClient, bus: string): Promise<FanOutReach | undefined> {
    const { rows } = await client.query(fanOutReachSql, [fanOutGroup, bus]);
    if (rows.length === 0) return undefined;
    const reached = new Map(rows.map((row) => [row.partition, positionFromRow(row)]));
    const furthest = [...reached.values()].reduce((a, b) => (comparePositions(a, b) > 0 ? a : b));
    return new FanOutReach(reached, bus === 'kafka' ? rows[0].partitions : null, furthest);
  }

  includes(event: EventHeader): boolean {
    const partition = this.partitions === null ? 0 : partitionOf(keyOf(event), this.partitions);
    const reached = this.byPartition.get(partition);
    return reached !== undefined && comparePositions(event.position, reached) <= 0;
  }
}
