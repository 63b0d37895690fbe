import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import { Signals } from '../../database/signals.js';
import { Settings } from '../../platform/settings.js';
import { toCloudEvent, type CloudEvent, type StoredEvent } from '../catalog/envelope.js';
import { matcherOf } from '../catalog/type-patterns.js';
import { eventFromRow, EventLog } from '../log/event-log.js';
import { readEventByIdSql } from '../log/sql/read-log.js';
import { formatPosition, logStart, parsePosition, type Position } from '../position.js';

/**
 * How many events one request looks at. A reader of a rare type gets an empty page with a cursor further on,
 * instead of a request that walks through the whole history.
 */
const mostScanned = 2000;
const scanSize = 500;
const pollMs = 500;

export interface FeedFilter {
  eventTypes?: string[];
  practiceIds?: string[];
}

/** The log as a feed, for those who cannot be called. */
@Injectable()
export class FeedService {
  constructor(
    private readonly log: EventLog,
    private readonly pool: EnginePool,
    private readonly signals: Signals,
    private readonly settings: Settings,
  ) {}

  /**
   * Up to `limit` matching events after a cursor; waits up to `waitMs` for the first one.
   * @throws CursorUnusable where the cursor lies in a lost future or a past that retention has dropped.
   */
  async read(
    after: string | undefined,
    filter: FeedFilter,
    limit: number,
    waitMs: number,
  ): Promise<{ data: CloudEvent[]; nextCursor: string }> {
    const deadline = performance.now() + waitMs;
    let cursor = after === undefined ? logStart : parsePosition(after)!;
    if (after !== undefined) await this.log.assertUsable(cursor);
    for (;;) {
      const page = await this.scan(cursor, filter, limit);
      cursor = page.cursor;
      const left = deadline - performance.now();
      if (page.events.length > 0 || left <= 0) {
        return {
          data: page.events.map((event) => this.show(event)),
          nextCursor: formatPosition(cursor),
        };
      }
      if (page.reachedEnd) await this.nextSignal(Math.min(left, pollMs));
    }
  }

  async get(id: string): Promise<CloudEvent | undefined> {
    const { rows } = await this.pool.query(readEventByIdSql, [id]);
    return rows[0] && this.show(eventFromRow(rows[0]));
  }

  private show(event: StoredEvent): CloudEvent {
    return toCloudEvent(event, { mode: 'full', publicUrl: this.settings.baseUrl });
  }

  private async scan(
    cursor: Position,
    { eventTypes, practiceIds }: FeedFilter,
    limit: number,
  ): Promise<{ events: StoredEvent[]; cursor: Position; reachedEnd: boolean }> {
    const matches = matcherOf(eventTypes ?? ['*']);
    const practices = practiceIds && new Set(practiceIds);
    const unfiltered = !eventTypes && !practices;
    const found: StoredEvent[] = [];
    for (let scanned = 0; scanned < mostScanned;) {
      const size = unfiltered ? limit : scanSize;
      const { events } = await this.log.readEvents(cursor, size);
      for (const event of events) {
        cursor = parsePosition(event.position)!;
        const isMatch =
          matches(event.type) && (!practices || practices.has(event.practiceId ?? ''));
        if (isMatch && found.push(event) === limit)
          return { events: found, cursor, reachedEnd: false };
      }
      if (events.length < size) return { events: found, cursor, reachedEnd: true };
      scanned += events.length;
    }
    return { events: found, cursor, reachedEnd: false };
  }

  private nextSignal(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        off();
        resolve();
      };
      const timer = setTimeout(finish, ms);
      const off = this.signals.on('events', finish);
    });
  }
}
