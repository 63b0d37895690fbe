import type { DueDelivery } from './delivery.js';
import type { Lane } from './lane.js';
import type { LoggedEvent } from './logged-event.js';

/** What is locked is looked at again: a master key that is given is known within seconds as well. */
export const lockedMs = 3000;
/** Where a whole page of retries is locked: the next ones may be as well, and must not keep other lanes waiting. */
const lockedPageMs = 500;

export interface PendingRow {
  endpoint_id: string;
  /** Null in the row that says how far the numbers go. */
  id: string | null;
  sequence: string;
  event_id: string;
  practice_id: string | null;
  replay_id: string | null;
  status: string | null;
}

export interface RetryRow extends PendingRow {
  id: string;
  order_key: string | null;
  attempts: number;
  due_in_ms: number;
}

/** What was read for a lane. */
export interface Page {
  lane: Lane;
  /** The lane's when it was asked for: if the window has been forgotten since, the page is void. */
  generation: number;
  /** Of a page of the stream: it holds every pending delivery up to this number. */
  through?: number;
  rows: (PendingRow & { id: string })[];
  from: 'stream' | 'retry';
}

/**
 * A page as far as its events can be opened. The stream ends before what is locked, so that nothing overtakes it. Of
 * retries those that are not locked go.
 * @returns with the ids of retries that have to wait
 */
export function beforeLocked(
  page: Page,
  locked: ReadonlySet<string>,
  now: number,
): { page: Page; postponed: string[] } {
  const { lane, rows, from } = page;
  const first = rows.findIndex(({ event_id }) => locked.has(event_id));
  if (first < 0) return { page, postponed: [] };
  if (from === 'stream') {
    lane.stopStream(now + lockedMs);
    const through = Number(rows[first]!.sequence) - 1;
    return { page: { ...page, through, rows: rows.slice(0, first) }, postponed: [] };
  }
  const open = rows.filter(({ event_id }) => !locked.has(event_id));
  if (open.length === 0) lane.retryDueAt = now + lockedPageMs;
  const postponed = rows.filter(({ event_id }) => locked.has(event_id)).map(({ id }) => id);
  return { page: { ...page, rows: open }, postponed };
}

/** Whose event is there. */
export function toDelivery({ lane, from }: Page, row: PendingRow, event: LoggedEvent): DueDelivery {
  const { ordering } = lane.target;
  const retry = row as RetryRow;
  return {
    id: row.id!,
    from,
    sequence: Number(row.sequence),
    attempts: from === 'retry' ? retry.attempts : 0,
    event,
    orderKey:
      from === 'retry'
        ? retry.order_key
        : ordering === 'none'
          ? null
          : keyOf(event, row.practice_id, ordering),
    replayId: row.replay_id,
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
