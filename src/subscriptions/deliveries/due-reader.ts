import { EnginePool } from '../../database/engine-pool.js';
import { Logger } from '../../platform/logger.js';
import type { DueDelivery } from './delivery.js';
import { EventCache } from './event-cache.js';
import { Followers } from './followers.js';
import type { Lane } from './lane.js';
import type { LoggedEvent } from './logged-event.js';
import { forgetRetriesSql, pendingSql, retriesSql } from './sql/due.js';
import { withholdSql } from './sql/record.js';

interface PendingRow {
  endpoint_id: string;
  /** Null in the row that says how far the numbers go. */
  id: string | null;
  sequence: string;
  event_id: string;
  practice_id: string | null;
  replay_id: string | null;
}

interface RetryRow extends PendingRow {
  id: string;
  order_key: string | null;
  attempts: number;
  status: string | null;
  due_in_ms: number;
}

/** A delivery that was read and whose event is not there yet. */
interface Found {
  lane: Lane;
  generation: number;
  eventId: string;
  practiceId: string | null;
  delivery: Omit<DueDelivery, 'event'>;
}

/** A timer counts from when it is set, a little after the database looked at its clock. */
const slackMs = 2;

/** Fills lanes from the tables: one read for all that want pending deliveries, one for retries, one for events. */
export class DueReader {
  readonly followers: Followers;

  constructor(
    private readonly pool: EnginePool,
    readonly events: EventCache,
    logger: Logger,
  ) {
    this.followers = new Followers(pool, events, logger);
  }

  /** Fills the lanes up to `window` deliveries each, first attempts before retries. */
  async fill(lanes: readonly Lane[], window: number): Promise<void> {
    const before = lanes.map((lane) => ({ lane, readThrough: lane.readThrough }));
    try {
      await this.readInto(lanes, window);
    } catch (error) {
      // Rows that were read and are in no window yet would lie behind their lane for good.
      for (const { lane, readThrough } of before) {
        lane.readThrough = Math.min(lane.readThrough, readThrough);
        lane.admittedThrough = Math.min(lane.admittedThrough, readThrough);
        lane.generation += 1;
        lane.look(performance.now());
      }
      throw error;
    }
  }

  private async readInto(lanes: readonly Lane[], window: number): Promise<void> {
    const now = performance.now();
    const pending = lanes.filter((lane) => lane.wantsPending(window, now));
    const before = pending.map((lane) => ({ lane, generation: lane.generation }));
    const retrying = lanes.filter((lane) => lane.wantsRetries(window, now));
    const found = [
      ...(pending.length > 0 ? await this.pending(pending, window) : []),
      ...(retrying.length > 0 ? await this.retries(retrying, window, now) : []),
    ];
    if (found.length > 0) await this.takeIn(found);
    // Those whose window was forgotten meanwhile have gone back.
    for (const { lane, generation } of before) {
      if (lane.generation === generation) lane.admittedThrough = lane.readThrough;
    }
  }

  private async takeIn(found: readonly Found[]): Promise<void> {
    const events = await this.events.get(found.map(({ eventId }) => eventId));
    const expired: string[] = [];
    const ordered = new Map<Lane, DueDelivery[]>();
    for (const { lane, generation, eventId, practiceId, delivery } of found) {
      const event = events.get(eventId);
      if (!event) expired.push(delivery.id);
      else if (lane.generation === generation && !lane.holds(delivery.id)) {
        const due = Object.assign(delivery, { event }) as DueDelivery;
        const { ordering } = lane.target;
        if (ordering === 'none') this.take(lane, due);
        else this.takeInOrder(lane, due, keyOf(event, practiceId, ordering), ordered);
      }
    }
    await Promise.all([...ordered].map(([lane, due]) => this.followers.admit(lane, due)));
    if (expired.length > 0) await this.pool.query(withholdSql, [expired]);
  }

  private take(lane: Lane, delivery: DueDelivery): void {
    lane.opened(delivery);
    lane.enqueue(delivery);
  }

  private takeInOrder(
    lane: Lane,
    delivery: DueDelivery,
    key: string,
    ordered: Map<Lane, DueDelivery[]>,
  ): void {
    if (delivery.from === 'retry') {
      // Resent by hand it has no key, since it holds nobody up.
      if (delivery.orderKey !== null) lane.order.lead(delivery.orderKey);
      this.take(lane, delivery);
      return;
    }
    delivery.orderKey = key;
    lane.opened(delivery);
    const own = ordered.get(lane);
    if (own) own.push(delivery);
    else ordered.set(lane, [delivery]);
  }

  private async pending(lanes: readonly Lane[], window: number): Promise<Found[]> {
    const asked = lanes.map((lane) => ({
      lane,
      generation: lane.generation,
      size: lane.sizeOf(window) - lane.queued,
      before: lane.idsInHand(),
    }));
    // Reset before the read: a signal during it may be about rows that it does not see.
    for (const lane of lanes) lane.mayHavePending = false;
    const { rows } = await this.pool.query<PendingRow>({
      name: 'due-pending',
      text: pendingSql,
      values: [
        lanes.map(({ target }) => target.id),
        lanes.map(({ readThrough }) => readThrough),
        asked.map(({ size }) => size),
      ],
    });
    const byEndpoint = grouped(rows);
    return asked.flatMap(({ lane, generation, size, before }) => {
      if (lane.generation !== generation) return [];
      const all = byEndpoint.get(lane.target.id) ?? [];
      const own = all.filter(({ id }) => id !== null);
      const isFull = own.length === size;
      const last = isFull ? own.at(-1) : all.find(({ id }) => id === null);
      // What fan-out handed over meanwhile is in hand already.
      const handedOver = lane.readThrough;
      if (last) lane.readThrough = Math.max(handedOver, Number(last.sequence));
      if (isFull) lane.mayHavePending = true;
      return own
        .filter(({ id, sequence }) => !before.has(id!) && Number(sequence) > handedOver)
        .map((row) => found(lane, generation, row, 'stream', 0, null));
    });
  }

  private async retries(lanes: readonly Lane[], window: number, now: number): Promise<Found[]> {
    // Those in memory still stand first in the table, and must not fill the page.
    const asked = lanes.map((lane) => ({
      lane,
      generation: lane.generation,
      size: Math.ceil(lane.sizeOf(window) / 2) + lane.openRetries,
      // What is settled while the read runs may still stand in its answer as it was.
      before: lane.idsInHand(),
    }));
    for (const lane of lanes) lane.retryDueAt = Infinity;
    const { rows } = await this.pool.query<RetryRow>({
      name: 'due-retries',
      text: retriesSql,
      values: [lanes.map(({ target }) => target.id), asked.map(({ size }) => size)],
    });
    const byEndpoint = grouped(rows);
    const stale = rows.filter(({ status }) => status !== 'failed').map(({ id }) => id);
    if (stale.length > 0) await this.pool.query(forgetRetriesSql, [stale]);
    return asked.flatMap(({ lane, generation, size, before }) => {
      if (lane.generation !== generation) return [];
      const page = byEndpoint.get(lane.target.id) ?? [];
      const waiting = page.filter(({ id, status }) => status === 'failed' && !before.has(id));
      const later = waiting.find(({ due_in_ms }) => due_in_ms > 0);
      if (later) lane.retryIn(later.due_in_ms + slackMs, performance.now());
      else if (page.length >= size) lane.retryIn(0, now);
      return waiting
        .filter(({ due_in_ms }) => due_in_ms <= 0)
        .map((row) => found(lane, generation, row, 'retry', row.attempts, row.order_key));
    });
  }
}

function found(
  lane: Lane,
  generation: number,
  row: PendingRow,
  from: DueDelivery['from'],
  attempts: number,
  orderKey: string | null,
): Found {
  return {
    lane,
    generation,
    eventId: row.event_id,
    practiceId: row.practice_id,
    delivery: {
      id: row.id!,
      from,
      sequence: Number(row.sequence),
      attempts,
      orderKey,
      replayId: row.replay_id,
    },
  };
}

function keyOf(
  event: LoggedEvent,
  practiceId: string | null,
  ordering: 'subject' | 'practice',
): string {
  // A subject belongs to its practice; an event of none is ordered with its kind.
  return ordering === 'subject' ? event.subject : (practiceId ?? event.source);
}

function grouped<R extends { endpoint_id: string }>(rows: readonly R[]): Map<string, R[]> {
  const byEndpoint = new Map<string, R[]>();
  for (const row of rows) {
    const own = byEndpoint.get(row.endpoint_id);
    if (own) own.push(row);
    else byEndpoint.set(row.endpoint_id, [row]);
  }
  return byEndpoint;
}
