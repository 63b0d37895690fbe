import { createHash } from 'node:crypto';
import { expect } from '@jest/globals';
import { eventually } from './eventually.js';
import type { Api } from './start-hub.js';
import type { ReceivedEvent, ReceivedWebhook, WebhookReceiver } from './webhook-receiver.js';

/** An endpoint that leads to a path of the receiver, which has its secret. */
export interface Subscriber {
  id: string;
  secret: string;
  path: string;
  receiver: WebhookReceiver;
}

/** What the hub's books say of one delivery. */
export interface BookedDelivery {
  eventId: string;
  eventType: string;
  practiceId: string;
  sequence: number;
  status: string;
  attempts: number;
}

/** Registers an endpoint for everything, at a path of its own. */
export async function subscribe(
  hub: Api,
  receiver: WebhookReceiver,
  path = '/hook',
  input: object = {},
): Promise<Subscriber> {
  const made = await hub.api('POST', '/v1/endpoints', {
    url: `${receiver.url}${path}`,
    // Everything that happens in practices; what the hub says of endpoints would come on top where one fails.
    eventTypes: [
      'appointment.*',
      'patient.*',
      'payment.*',
      'charge.*',
      'adjustment.*',
      'account.*',
    ],
    ...input,
  });
  if (made.status !== 201) throw new Error(`no endpoint: ${JSON.stringify(made.body)}`);
  const { id, secret } = made.body;
  receiver.setSecret(secret, path);
  return { id, secret, path, receiver };
}

/** Everything the feed has after a cursor, in its order. */
export async function readFeed(hub: Api, after?: string): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  for (let cursor = after; ;) {
    const query = cursor === undefined ? '' : `&after=${cursor}`;
    const { status, body } = await hub.api('GET', `/v1/events?limit=200${query}`);
    if (status !== 200) throw new Error(`the feed says ${status} ${JSON.stringify(body)}`);
    if (body.data.length === 0) return events;
    events.push(...body.data);
    cursor = body.nextCursor;
  }
}

/** Every delivery of an endpoint, in order of its numbers. */
export async function readStream(hub: Api, { id }: { id: string }): Promise<BookedDelivery[]> {
  const deliveries: BookedDelivery[] = [];
  for (let after = ''; ;) {
    const path = `/v1/endpoints/${id}/deliveries?limit=200${after}`;
    const { status, body } = await hub.api('GET', path);
    if (status !== 200) throw new Error(`the deliveries say ${status} ${JSON.stringify(body)}`);
    deliveries.push(...body.data);
    if (body.nextCursor === null) return deliveries.reverse();
    after = `&after=${encodeURIComponent(body.nextCursor)}`;
  }
}

export function arrivalsOf({ receiver, path }: Subscriber): ReceivedWebhook[] {
  return receiver.requests.filter((request) => request.path === path);
}

/**
 * Waits until everything in the log has reached the subscriber, and checks what a partner may rely on: each event is
 * in its stream once, numbered from 1 without a gap, in log order per practice; each number arrived, verified, and
 * always with the same event. The endpoint must be for everything and older than any event.
 * @returns the events, in log order.
 */
export async function expectWholeStream(
  hub: Api,
  subscriber: Subscriber,
  timeoutMs = 30_000,
): Promise<ReceivedEvent[]> {
  const { events, stream } = await eventually(async () => {
    const [events, stream] = [await readFeed(hub), await readStream(hub, subscriber)];
    expect(stream.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    expect(stream.filter(({ status }) => status !== 'delivered')).toEqual([]);
    return { events, stream };
  }, timeoutMs);
  expect(idsByPractice(stream.map((entry) => [entry.practiceId, entry.eventId]))).toEqual(
    idsByPractice(events.map((event) => [event.practiceid, event.id])),
  );
  const arrivals = arrivalsOf(subscriber);
  expect(arrivals.filter(({ verified }) => !verified)).toEqual([]);
  const arrived = new Map<number, Set<string>>();
  for (const { event } of arrivals) {
    expect(event.hubendpoint).toBe(subscriber.id);
    const sequence = Number(event.hubsequence);
    arrived.set(sequence, (arrived.get(sequence) ?? new Set()).add(event.id));
  }
  for (const { sequence, eventId } of stream) {
    expect([sequence, ...(arrived.get(sequence) ?? [])]).toEqual([sequence, eventId]);
  }
  return events;
}

function idsByPractice(
  pairs: (readonly [practiceId: string, id: string])[],
): Map<string, string[]> {
  const ids = new Map<string, string[]>();
  for (const [practiceId, id] of pairs) ids.set(practiceId, [...(ids.get(practiceId) ?? []), id]);
  return ids;
}

/** The hash that docs/manifest.md has a partner compute once it counts as `-` what its stream shows withheld. */
export function streamHash(
  entries: readonly { sequence: number; event?: { id: string } }[],
): string {
  const lines = entries.map(({ sequence, event }) => `${sequence} ${event?.id ?? '-'}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}
