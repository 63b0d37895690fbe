import { EnginePool } from '../../database/engine-pool.js';
import { Logger } from '../../platform/logger.js';
import type { DueDelivery } from './delivery.js';
import {
  beforeLocked,
  lockedMs,
  toDelivery,
  type Page,
  type PendingRow,
  type RetryRow,
} from './due-page.js';
import { EventCache, type FoundEvents } from './event-cache.js';
import { Followers } from './followers.js';
import { Hearing } from './hearing.js';
import type { Lane } from './lane.js';
import type { LoggedEvent } from './logged-event.js';
import { forgetRetriesSql, pendingSql, postponeSql, retriesSql } from './sql/due.js';
import { withholdSql } from './sql/record.js';

/** Rows whose events are read by one statement, and bytes after which a round of reading ends. */
const mostRowsAtOnce = 2000;
const mostBytesAtOnce = 32_000_000;
const nothing: FoundEvents = { events: new Map(), locked: new Set() };
/** A timer counts from when it is set, a little after the database looked at its clock. */
const slackMs = 2;

/** Fills lanes from the tables: one read for all that want pending deliveries, one for retries, one for events. */
export class DueReader {
  readonly followers: Followers;

  constructor(
    private readonly pool: EnginePool,
    readonly events: EventCache,
    private readonly hearing: Hearing,
    logger: Logger,
  ) {
    this.followers = new Followers(pool, events, hearing, logger);
  }

  /** Fills the lanes up to `window` deliveries each, first attempts before retries. */
  async fill(lanes: readonly Lane[], window: number): Promise<void> {
    const now = performance.now();
    const pending = lanes.filter((lane) => lane.wantsPending(window, now));
    const retrying = lanes.filter((lane) => lane.wantsRetries(window, now));
    if (pending.length + retrying.length === 0) return;
    try {
      const pages = [
        ...(pending.length > 0 ? await this.pending(pending, window) : []),
        ...(retrying.length > 0 ? await this.retries(retrying, window, now) : []),
      ];
      await this.takeIn(pages);
    } catch (error) {
      // No lane has moved past what it has not taken in.
      for (const lane of [...pending, ...retrying]) lane.look(performance.now());
      throw error;
    }
  }

  /** A few thousand at a time; what would take too much memory together is left to the next read. */
  private async takeIn(pages: readonly Page[]): Promise<void> {
    let bytes = 0;
    for (const group of groupsOf(pages)) {
      if (bytes > mostBytesAtOnce) {
        for (const { lane } of group) lane.look(performance.now());
        continue;
      }
      bytes += await this.takeInSome(group);
    }
  }

  /** @returns how many bytes of events that brought */
  private async takeInSome(read: readonly Page[]): Promise<number> {
    const eventIds = read.flatMap(({ rows }) => rows.map((row) => row.event_id));
    const [{ events, locked }] = await Promise.all([
      eventIds.length > 0 ? this.events.get(eventIds) : nothing,
      this.hearing.bringUpToDate(
        read.filter(({ rows }) => rows.length > 0).map(({ lane }) => lane),
      ),
    ]);
    const pages = locked.size > 0 ? await this.openOf(read, locked) : read;
    const isBarred = await this.hearing.barred(
      pages.map(({ lane, rows }) => ({
        lane,
        events: rows.flatMap((row) => events.get(row.event_id) ?? []),
      })),
    );
    // Before any lane moves past them.
    await this.withhold(pages, 'expired', (_, event) => event === undefined, events);
    await this.withhold(pages, 'erased', (_, event) => event?.lost === 'erased', events);
    await this.withhold(pages, 'unreadable', (_, event) => event?.lost === 'unreadable', events);
    await this.withhold(
      pages,
      'revoked',
      (lane, event) => event !== undefined && !event.lost && isBarred(lane, event),
      events,
    );
    const admitting: Promise<void>[] = [];
    for (const page of pages) {
      const due = page.rows.flatMap((row) => {
        const event = events.get(row.event_id);
        const mayGo = event && !event.lost && !isBarred(page.lane, event);
        return mayGo ? [toDelivery(page, row, event)] : [];
      });
      if (page.from === 'stream' && page.lane.target.ordering !== 'none') {
        admitting.push(this.followers.admit(page.lane, page.generation, page.through, due));
      } else {
        takeInNow(page, due);
      }
    }
    await Promise.all(admitting);
    let bytes = 0;
    for (const { dataBytes } of events.values()) bytes += dataBytes.length;
    return bytes;
  }

  /** The pages as far as they can be opened; retries that cannot leave the way to those that are due behind them. */
  private async openOf(read: readonly Page[], locked: ReadonlySet<string>): Promise<Page[]> {
    const cuts = read.map((page) => beforeLocked(page, locked, performance.now()));
    const postponed = cuts.flatMap(({ postponed }) => postponed);
    if (postponed.length > 0) await this.pool.query(postponeSql, [postponed, lockedMs / 1000]);
    return cuts.map(({ page }) => page);
  }

  private async withhold(
    pages: readonly Page[],
    reason: 'expired' | 'erased' | 'unreadable' | 'revoked',
    isBarred: (lane: Lane, event: LoggedEvent | undefined) => boolean,
    events: ReadonlyMap<string, LoggedEvent>,
  ): Promise<void> {
    const barred: string[] = [];
    for (const { lane, rows } of pages) {
      const own = rows.filter((row) => isBarred(lane, events.get(row.event_id)));
      barred.push(...own.map(({ id }) => id));
      // Others may have waited for it.
      if (own.length > 0 && lane.target.ordering !== 'none') lane.seeksOrphans = true;
    }
    if (barred.length > 0) await this.pool.query(withholdSql, [barred, reason]);
  }

  private async pending(lanes: readonly Lane[], window: number): Promise<Page[]> {
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
    return asked.map(({ lane, generation, size, before }): Page => {
      const all = byEndpoint.get(lane.target.id) ?? [];
      const own = all.filter(isDelivery);
      const isFull = own.length === size;
      if (isFull) lane.mayHavePending = true;
      const last = isFull ? own.at(-1) : all.find(({ id }) => id === null);
      const rows = own.filter(({ id, status }) => status === 'pending' && !before.has(id));
      return { lane, generation, through: last && Number(last.sequence), rows, from: 'stream' };
    });
  }

  private async retries(lanes: readonly Lane[], window: number, now: number): Promise<Page[]> {
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
    return asked.map(({ lane, generation, size, before }): Page => {
      const page = byEndpoint.get(lane.target.id) ?? [];
      const waiting = page.filter(({ id, status }) => status === 'failed' && !before.has(id));
      const later = waiting.find(({ due_in_ms }) => due_in_ms > 0);
      if (later) lane.retryIn(later.due_in_ms + slackMs, performance.now());
      else if (page.length >= size) lane.retryIn(0, now);
      const rows = waiting.filter(({ due_in_ms }) => due_in_ms <= 0);
      return { lane, generation, rows, from: 'retry' };
    });
  }
}

function groupsOf(pages: readonly Page[]): Page[][] {
  const groups: Page[][] = [];
  let size = Infinity;
  for (const page of pages) {
    if (size + page.rows.length > mostRowsAtOnce) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)!.push(page);
    size += page.rows.length;
  }
  return groups;
}

function isDelivery(row: PendingRow): row is PendingRow & { id: string } {
  return row.id !== null;
}

/** In one step: nobody may see a lane that has moved past deliveries which it does not hold. */
function takeInNow(
  { lane, generation, through = 0, from }: Page,
  due: readonly DueDelivery[],
): void {
  if (lane.generation !== generation) {
    lane.look(performance.now());
    return;
  }
  // What fan-out handed over meanwhile is in hand already.
  const inHand = from === 'stream' ? lane.readThrough : 0;
  lane.readThrough = Math.max(lane.readThrough, through);
  for (const delivery of due) {
    if (delivery.sequence <= inHand || lane.holds(delivery.id)) continue;
    // Resent by hand it has no key, since it holds nobody up.
    if (delivery.orderKey !== null) lane.order.lead({ ...delivery, orderKey: delivery.orderKey });
    lane.opened(delivery);
    lane.enqueue(delivery);
  }
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
