import { describe, expect, it } from '@jest/globals';
import { Kafka as KafkaBinding, type KafkaMessage } from 'cloudevents';
import { catalog } from '../../catalog/catalog.js';
import type { StoredEvent } from '../../catalog/envelope.js';
import { headOf, sizeOf, toRecord } from './record.js';

const event: StoredEvent = {
  id: '019a0f5e-7c00-7000-8000-000000000001',
  type: 'patient.created',
  typeVersion: 1,
  position: '2.1234.56',
  practiceId: '019a0f5e-7c00-7000-8000-000000000002',
  source: '/practices/019a0f5e-7c00-7000-8000-000000000002',
  subject: 'patients/019a0f5e-7c00-7000-8000-000000000011',
  subjectVersion: 3,
  time: new Date('2026-03-08T14:30:00.123Z'),
  actor: 'operator',
  correlationId: 'c',
  causationId: null,
  traceparent: null,
  data: catalog['patient.created'].example,
};
const previous = { generation: 1, xactId: '9', seq: '8' };
const placing = { key: event.practiceId!, partition: 4, previous, lap: 7 };
const record = toRecord(event, { mode: 'minimum', publicUrl: 'https://hub.example' }, placing);

/** As it arrives: every header as bytes. */
const arrived = (headers: Record<string, unknown>) => ({
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(String(value))]),
  ),
});

describe('a record', () => {
  it('is a CloudEvent to the CloudEvents SDK', () => {
    const { value, headers } = record;
    const message = { key: record.key, value: String(value), headers } as unknown as KafkaMessage;
    const received = KafkaBinding.toEvent({ ...message, body: message.value }) as object;
    expect(received).toMatchObject({
      specversion: '1.0',
      id: event.id,
      type: 'patient.created',
      source: event.source,
      subject: event.subject,
      time: '2026-03-08T14:30:00.123Z',
      datacontenttype: 'application/json',
      dataschema:
        'https://hub.example/v1/event-types/patient.created/versions/1/schema?mode=minimum',
      practiceid: event.practiceId,
      actor: 'operator',
      correlationid: 'c',
    });
  });

  it('goes to the partition it was given, under its key', () => {
    expect(record).toMatchObject({ key: event.practiceId, partition: 4 });
  });

  it('shows what its payload mode shows', () => {
    const { patientId, kind, givenName } = catalog['patient.created'].example;
    const data = JSON.parse(String(record.value));
    expect(data).toMatchObject({ patientId, kind });
    expect(data).not.toHaveProperty('givenName');
    expect(JSON.stringify(record.headers)).not.toContain(givenName);
  });

  it('tells its size well enough to keep below a limit', () => {
    const bytes = [...Object.entries(record.headers!).flat(), record.key!, String(record.value)]
      .map((text) => Buffer.byteLength(String(text)))
      .reduce((sum, size) => sum + size);
    expect(sizeOf(record)).toBeGreaterThan(bytes);
    expect(sizeOf(record)).toBeLessThan(bytes + 200);
  });
});

describe('what a consumer reads of a record', () => {
  const headers = record.headers as Record<string, string>;

  it('is which event it is and what comes before it', () => {
    expect(headOf(arrived(headers))).toEqual({
      id: event.id,
      position: { generation: 2, xactId: '1234', seq: '56' },
      previous,
      lap: 7,
    });
  });

  it.each([
    ['has no headers', {}],
    ['has an id that is none', { ...headers, ce_id: 'A-234' }],
    ['has no position', { ...headers, hub_position: '' }],
    ['has a position out of range', { ...headers, hub_previous: '1.99999999999999999999999.1' }],
    ['has no lap', { ...headers, hub_lap: '-1' }],
  ])('is nothing where it %s', (_, broken) => {
    expect(headOf(arrived(broken))).toBeUndefined();
  });

  it('is nothing where a header comes twice', () => {
    const { headers: bytes } = arrived(headers);
    const twice = { ...bytes, ce_id: [bytes.ce_id!, bytes.ce_id!] };
    expect(headOf({ headers: twice })).toBeUndefined();
    expect(headOf({})).toBeUndefined();
  });
});
