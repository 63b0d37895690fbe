import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ScopedReads } from '../../database/scoped-reads.js';
import { Signals } from '../../database/signals.js';
import { scopeOf, type Caller } from '../../platform/access/caller.js';
import { modeOfEvent } from '../../platform/access/granted.js';
import { Settings } from '../../platform/settings.js';
import { DataKeys } from '../../sealing/data-keys.js';
import { Wakeable } from '../../platform/wakeable.js';
import { toCloudEvent, type CloudEvent, type StoredEvent } from '../catalog/envelope.js';
import type { PayloadMode } from '../catalog/fields.js';
import { matcherOf } from '../catalog/type-patterns.js';
import { LogPace } from '../bus/log-pace.js';
import { ApiLog, type FeedHeader } from '../log/api-log.js';
import type { LogPage } from '../log/event-log.js';
import { openEvents, type EventRow } from '../log/event-rows.js';
import { restrictedAmong, type About } from '../log/restricted-events.js';
import { readEventByIdSql } from '../log/sql/read-log.js';
import { formatPosition, logStart, parsePosition, type Position } from '../position.js';

/**
 * How many events one request looks at. A reader of a rare type gets an empty page with a cursor further on,
 * instead of a request that walks through the whole history.
 */
const mostScanned = 2000;
const scanSize = 500;

export interface FeedFilter {
  eventTypes?: string[];
  practiceIds?: string[];
}

/** The log as a feed, for those who cannot be called. */
@Injectable()
export class FeedService implements OnModuleDestroy {
  private readonly waiting = new Set<Wakeable>();

  constructor(
    private readonly log: ApiLog,
    private readonly reads: ScopedReads,
    private readonly signals: Signals,
    private readonly settings: Settings,
    private readonly keys: DataKeys,
  ) {}

  onModuleDestroy(): void {
    for (const waker of this.waiting) waker.stop();
  }

  /**
   * Up to `limit` matching events after a cursor, of those that the caller may know of; waits up to `waitMs` for the first one, or until `gone` says that
   * nobody waits any more.
   * @param callerNow asked before each look: what a caller may know ends with a wait, not after it
   * @throws CursorUnusable where the cursor lies in a lost future or a past that retention has dropped.
   */
  async read(
    callerNow: () => Promise<Caller>,
    after: string | undefined,
    filter: FeedFilter,
    limit: number,
    waitMs: number,
    gone: AbortSignal,
  ): Promise<{ data: CloudEvent[]; nextCursor: string }> {
    let cursor = after === undefined ? logStart : parsePosition(after)!;
    if (after !== undefined) await this.log.assertUsable(cursor);
    const deadline = performance.now() + waitMs;
    const waker = new Wakeable();
    const stop = () => waker.stop();
    const silences = (['events', 'access'] as const).map((channel) =>
      this.signals.on(channel, () => waker.wake()),
    );
    this.waiting.add(waker);
    gone.addEventListener('abort', stop);
    const pace = new LogPace(waker, waitMs);
    try {
      for (;;) {
        waker.reset();
        const caller = await callerNow();
        const page = await this.scan(caller, cursor, filter, limit);
        cursor = page.cursor;
        if (page.events.length > 0 || waker.stopped || performance.now() >= deadline) {
          return {
            data: page.events.map((event) => this.show(event, modeFor(caller, event)!)),
            nextCursor: formatPosition(cursor),
          };
        }
        await pace.afterPage(page);
      }
    } finally {
      for (const silence of silences) silence();
      this.waiting.delete(waker);
      gone.removeEventListener('abort', stop);
    }
  }

  /** Undefined also where it is not the caller's to know. */
  async get(caller: Caller, id: string): Promise<CloudEvent | undefined> {
    const rows: EventRow[] = await this.reads.within(scopeOf(caller)).query(readEventByIdSql, [id]);
    const [event] = await openEvents(rows, this.keys);
    const mode = event && modeFor(caller, event);
    if (!mode || !isOfItsMode(caller, event)) return undefined;
    if ((await this.restrictedOf(caller, [event])).has(event.id)) return undefined;
    return this.show(event, mode);
  }

  private show(event: StoredEvent, mode: PayloadMode): CloudEvent {
    return toCloudEvent(event, { mode, publicUrl: this.settings.baseUrl });
  }

  /** Those of some events that a caller must not hear of for the sake of whom they are about; ids. */
  private async restrictedOf(
    caller: Caller,
    events: readonly About[],
  ): Promise<ReadonlySet<string>> {
    if (caller.kind !== 'partner') return new Set();
    return restrictedAmong(this.reads.connections(scopeOf(caller)), events);
  }

  private async scan(
    caller: Caller,
    cursor: Position,
    { eventTypes, practiceIds }: FeedFilter,
    limit: number,
  ): Promise<LogPage<StoredEvent> & { cursor: Position }> {
    const matches = matcherOf(eventTypes ?? ['*']);
    const practices = practiceIds && new Set(practiceIds);
    const unfiltered = !eventTypes && !practices && caller.practices === null;
    const size = unfiltered ? limit : scanSize;
    const found: FeedHeader[] = [];
    const upTo = async (more: boolean) => ({
      events: await this.whole(caller, found),
      cursor,
      more,
    });
    for (let scanned = 0; scanned < mostScanned; scanned += size) {
      const { events, more } = await this.log.readHeaders(cursor, size);
      const matching = events.filter(
        (event) =>
          modeFor(caller, event) &&
          matches(event.type) &&
          (!practices || practices.has(event.practiceId ?? '')),
      );
      const restricted = await this.restrictedOf(caller, matching);
      const left = limit - found.length;
      const shown = matching.filter((event) => !restricted.has(event.id)).slice(0, left);
      found.push(...shown);
      if (shown.length === left) {
        cursor = shown.at(-1)!.position;
        return upTo(true);
      }
      if (events.length > 0) cursor = events.at(-1)!.position;
      if (events.length < size) return upTo(more);
    }
    return upTo(true);
  }

  /** Only now is read what events say: those alone that are shown, within what their reader may see. */
  private async whole(caller: Caller, headers: readonly FeedHeader[]): Promise<StoredEvent[]> {
    if (headers.length === 0) return [];
    const ids = headers.map(({ id }) => id);
    const read = await this.log.eventsOf(ids, this.reads.connections(scopeOf(caller)));
    const events = new Map(read.map((event) => [event.id, event]));
    return ids.flatMap((id) => events.get(id) ?? []).filter((event) => isOfItsMode(caller, event));
  }
}

/**
 * How a caller is shown what happened in a practice that it reaches, or to what is its own; undefined where it may not
 * know of it. A token of some practices hears of these alone: what is its owner's own tells of others.
 */
function modeFor(
  caller: Caller,
  { practiceId, source, type }: Pick<StoredEvent, 'practiceId' | 'source' | 'type'>,
): PayloadMode | undefined {
  const isOwn = practiceId === null && source === `/${caller.actor}`;
  if (isOwn && caller.token !== 'narrowed') return 'full';
  return modeOfEvent(caller, practiceId, type);
}

/** Whether what is a caller's own is of the mode of its key, where it says so. */
function isOfItsMode({ sandbox: own }: Caller, { practiceId, data }: StoredEvent): boolean {
  if (practiceId !== null) return true;
  const { sandbox } = data as { sandbox?: boolean };
  return sandbox === undefined || own === null || sandbox === own;
}
