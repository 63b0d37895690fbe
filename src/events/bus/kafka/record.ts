import type { IHeaders, KafkaMessage, Message } from 'kafkajs';
import {
  toCloudEvent,
  type CloudEvent,
  type StoredEvent,
  type View,
} from '../../catalog/envelope.js';
import { formatPosition, parsePosition, type Position } from '../../position.js';

/** What the relay knows of a record beyond its event. */
export interface Placing {
  key: string;
  partition: number;
  /** The event before it in its partition. */
  previous: Position;
  lap: number;
}

/** A record of the topic as far as a group of the hub needs it: which event, and what must have come before. */
export interface RecordHead {
  id: string;
  position: Position;
  previous: Position;
  lap: number;
}

/**
 * An event as a record: the CloudEvents binary content mode of the Kafka protocol binding 1.0.2, attributes as `ce_*`
 * headers, data as the value; an empty object where `ce_hubwithheld` says that there is none. `hub_position` is the event's place in the log; `hub_previous` chains the records of
 * a partition, so that a consumer sees when one is missing.
 */
export function toRecord(
  event: StoredEvent,
  view: View,
  { key, partition, previous, lap }: Placing,
): Message {
  const attributes = toCloudEvent(event, view);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  for (const name in attributes) {
    const value = attributes[name as keyof CloudEvent];
    if (name !== 'data' && name !== 'datacontenttype') headers[headerOf(name)] = String(value);
  }
  headers.hub_position = event.position;
  headers.hub_previous = formatPosition(previous);
  headers.hub_lap = String(lap);
  return { key, partition, headers, value: Buffer.from(JSON.stringify(attributes.data ?? {})) };
}

const headerNames = new Map<string, string>();

/** Made once for each attribute. */
function headerOf(attribute: string): string {
  let name = headerNames.get(attribute);
  if (name === undefined) headerNames.set(attribute, (name = `ce_${attribute}`));
  return name;
}

/** About what the record takes in a request, in bytes. */
export function sizeOf({ key, value, headers }: Message): number {
  let size = 70 + Buffer.byteLength(key!) + (value as Buffer).length;
  for (const name in headers) size += name.length + Buffer.byteLength(headers[name] as string) + 4;
  return size;
}

/** Undefined where the record is none of the hub's: a foreign producer's, or broken. */
export function headOf({ headers = {} }: Pick<KafkaMessage, 'headers'>): RecordHead | undefined {
  const id = text(headers, 'ce_id');
  const position = parsePosition(text(headers, 'hub_position'));
  const previous = parsePosition(text(headers, 'hub_previous'));
  const lap = text(headers, 'hub_lap');
  if (!uuid.test(id) || !position || !previous || !/^\d{1,9}$/.test(lap)) return undefined;
  return { id, position, previous, lap: Number(lap) };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

// A header may come several times; then it is none of ours.
function text(headers: IHeaders, name: string): string {
  const value = headers[name];
  return Buffer.isBuffer(value) || typeof value === 'string' ? value.toString() : '';
}
