import { isTransient } from '../../database/errors.js';
import { BatchTaken } from './claim.js';
import { UnhandleableEvent, type BatchHandler, type EventBatch } from './event-bus.js';
import type { ParkedEvents } from './parked-events.js';

/**
 * Gets one batch handled, whatever is in it: an event that the handler refuses, or that alone makes it throw, is
 * parked, so that one poisonous event holds up nobody.
 * @throws BatchTaken when the cursor moved elsewhere; a transient database error (try again later).
 */
export async function consume(
  batch: EventBatch,
  handler: BatchHandler,
  parked: ParkedEvents,
): Promise<void> {
  for (;;) {
    try {
      return await handler(batch);
    } catch (error) {
      if (error instanceof BatchTaken || isTransient(error)) throw error;
      const culprit = culpritOf(batch, error);
      if (!culprit) return consumeOneByOne(batch, handler, parked);
      await parked.park(batch.group, culprit, reasonOf(error));
      batch = { ...batch, events: batch.events.filter((event) => event !== culprit) };
    }
  }
}

function culpritOf({ events }: EventBatch, error: unknown) {
  if (error instanceof UnhandleableEvent) return events.find(({ id }) => id === error.eventId);
  if (events.length === 1) return events[0];
  if (events.length === 0) throw error;
  return undefined;
}

// A bug that names no event: only trying each alone tells which one it is.
async function consumeOneByOne(
  { events, ...stretch }: EventBatch,
  handler: BatchHandler,
  parked: ParkedEvents,
): Promise<void> {
  let after = stretch.after;
  for (const event of events) {
    const through = event === events.at(-1) ? stretch.through : event.position;
    await consume({ ...stretch, after, through, events: [event] }, handler, parked);
    after = through;
  }
}

// A database's message may quote the values it refused, and those may be a patient's: only names are kept.
function reasonOf(error: unknown): string {
  if (error instanceof UnhandleableEvent) return error.reason;
  const { name, code } = error as { name?: string; code?: string };
  return [name ?? 'Error', code].filter(Boolean).join(' ');
}
