import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { isTransient } from '../../database/errors.js';
import { MasterKeyMissing } from '../../sealing/master-keys.js';
import type { EventHeader } from '../log/event-log.js';
import { comparePositions } from '../position.js';
import { BatchTaken } from './claim.js';
import { UnhandleableEvent, type BatchHandler, type EventBatch } from './event-bus.js';

/** Before a failed batch is tried again: a passing disturbance has passed by then. */
const retryMs = 200;

/**
 * Gets one batch handled, whatever is in it: an event that the handler refuses, or that alone makes it throw twice,
 * is parked, so that one poisonous event holds up nobody.
 * @throws BatchTaken when the cursor moved elsewhere; any error that says nothing about an event (the database is
 * away, the handler can handle none of several events): the batch has to come again later.
 */
export async function consume(batch: EventBatch, handler: BatchHandler): Promise<void> {
  let retried = false;
  for (;;) {
    try {
      return await handler(batch);
    } catch (error) {
      // Those before what waits for a master key need not wait with it.
      if (error instanceof MasterKeyMissing && batch.events.length > 1) {
        batch = await consumeFirstHalf(batch, handler);
        continue;
      }
      if (!concernsAnEvent(error)) throw error;
      const culprit = culpritOf(batch, error);
      if (culprit) {
        batch = without(batch, culprit, reasonOf(error));
      } else if (retried) {
        return consumeOneByOne(batch, handler);
      } else {
        retried = true;
        await delay(retryMs);
      }
    }
  }
}

/** @returns the rest */
async function consumeFirstHalf(batch: EventBatch, handler: BatchHandler): Promise<EventBatch> {
  const half = Math.ceil(batch.events.length / 2);
  const through = batch.events[half - 1]!.position;
  await consume({ ...batch, through, events: batch.events.slice(0, half) }, handler);
  return { ...batch, after: through, events: batch.events.slice(half), parked: [] };
}

// A bug that names no event: only trying each alone tells which one it is.
async function consumeOneByOne(batch: EventBatch, handler: BatchHandler): Promise<void> {
  let { after, parked = [] } = batch;
  let failure: unknown;
  for (const event of batch.events) {
    const through = event.position;
    try {
      await handler({ ...batch, after, through, events: [event], parked });
      after = through;
      parked = [];
    } catch (error) {
      if (!concernsAnEvent(error)) throw error;
      failure = error;
      parked = [...parked, { event, reason: reasonOf(error) }];
    }
  }
  // None of several could be handled: then the fault is not theirs, and parking them would sweep the log aside.
  if (after === batch.after && batch.events.length > 1) throw failure;
  if (parked.length > 0 || comparePositions(after, batch.through) < 0) {
    await handler({ ...batch, after, events: [], parked });
  }
}

function culpritOf({ events }: EventBatch, error: unknown): EventHeader | undefined {
  if (!(error instanceof UnhandleableEvent)) return undefined;
  return events.find(({ id }) => id === error.eventId);
}

function without(batch: EventBatch, event: EventHeader, reason: string): EventBatch {
  return {
    ...batch,
    events: batch.events.filter((other) => other !== event),
    parked: [...(batch.parked ?? []), { event, reason }],
  };
}

/**
 * SQLSTATE classes that what an event says can cause: cardinality (21), data (22), integrity (23), check option (44),
 * limits such as an index row's size (54), raised by a function (P0). Everything else is the database's state or
 * the hub's own SQL, a read-only standby after a failover for example, and would fail for every event alike.
 */
const classesOfData = ['21', '22', '23', '44', '54', 'P0'];

function concernsAnEvent(error: unknown): boolean {
  if (error instanceof BatchTaken || isTransient(error)) return false;
  // An operator mends that, and then all goes on in order.
  if (error instanceof MasterKeyMissing) return false;
  if (error instanceof pg.DatabaseError)
    return classesOfData.includes(error.code?.slice(0, 2) ?? '');
  return !(error instanceof Error && 'syscall' in error);
}

/** For the operator. A database's message may quote the values it refused, so only names are kept of an error. */
export function reasonOf(error: unknown): string {
  if (error instanceof UnhandleableEvent) return error.reason;
  const { name, code } = (error ?? {}) as { name?: string; code?: string };
  return [name ?? 'Error', code].filter(Boolean).join(' ');
}
