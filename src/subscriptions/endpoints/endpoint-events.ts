import { Injectable } from '@nestjs/common';
import type { EventTx } from '../../database/transactions.js';
import type { EndpointEventType, EventData } from '../../events/catalog/catalog.js';
import { type AnyNewEvent, type Cause, Outbox } from '../../events/outbox/outbox.js';
import { standingSql } from './sql/endpoint-standing.js';

/** What each event about an endpoint says by itself. */
type Own<T extends EndpointEventType> = Omit<
  EventData<T>,
  'endpointId' | 'lastError' | 'nextSequence'
> & {
  /** Where the caller knows better than what is stored of the endpoint's health. */
  lastError?: string | null;
};

interface NewEndpointEvent<T extends EndpointEventType> {
  endpointId: string;
  type: T;
  data: Own<T>;
  /** When it became true; the database's clock where absent. */
  time?: Date;
}

export type AnyEndpointEvent = { [T in EndpointEventType]: NewEndpointEvent<T> }[EndpointEventType];

interface Standing {
  id: string;
  owner: string;
  version: number;
  last_error: string | null;
  next_sequence: string;
}

/** The lock of what is said about an endpoint: `Transactions.run([endpointKey(id)], …)`. */
export function endpointKey(id: string): string {
  return `endpoints/${id}`;
}

/**
 * Says what became of endpoints. Fan-out brings it to the other endpoints of the same owner that want it, whatever
 * practices they name, and never to the endpoint it is about. Whoever gives up a delivery of an `endpoint.*` event
 * must not say so: two dead endpoints of one owner would else tell each other of their failures for ever.
 */
@Injectable()
export class EndpointEvents {
  constructor(private readonly outbox: Outbox) {}

  /**
   * Writes events in the caller's transaction, which holds `endpointKey` of each endpoint before its first write.
   * Nothing is said of an endpoint that was deleted.
   * @returns the events' ids, in the order given.
   */
  async append(tx: EventTx, cause: Cause, events: readonly AnyEndpointEvent[]): Promise<string[]> {
    if (events.length === 0) return [];
    const ids = [...new Set(events.map(({ endpointId }) => endpointId))];
    const rows = await tx.query<Standing[]>(standingSql, [ids]);
    const standings = new Map(rows.map((row) => [row.id, row]));
    return this.outbox.append(
      tx,
      cause,
      events.flatMap((event) => {
        const standing = standings.get(event.endpointId);
        return standing ? [toEvent(event, standing)] : [];
      }),
    );
  }
}

function toEvent({ endpointId, type, data, time }: AnyEndpointEvent, of: Standing): AnyNewEvent {
  const { lastError = of.last_error, ...own } = data;
  const nextSequence = Number(of.next_sequence);
  return {
    type,
    practiceId: null,
    source: `/${of.owner}`,
    subjectId: endpointId,
    subjectVersion: of.version,
    time,
    // The union of types does not survive the spread; the schema is checked where the event is written.
    data: { endpointId, lastError, nextSequence, ...own },
  } as AnyNewEvent;
}
