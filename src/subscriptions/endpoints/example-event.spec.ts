import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { CloudEvent } from 'cloudevents';
import { definitionOf, eventTypes } from '../../events/catalog/catalog.js';
import { payloadModes, schemaOf } from '../../events/catalog/fields.js';
import { exampleEvent, firstTypeOf } from './example-event.js';

const ajv = new Ajv2020({ strict: false });
ajvFormats.default(ajv);

const context = {
  id: '019a0f5e-7c00-7000-8000-0000000000aa',
  time: new Date('2026-03-08T14:30:00Z'),
  owner: 'operator',
  actor: 'operator',
  correlationId: 'a-request',
};

describe('an example event', () => {
  it('is a CloudEvent with data as the schema of its mode has it, for every type', () => {
    for (const type of eventTypes) {
      for (const mode of payloadModes) {
        const event = exampleEvent(type, context, { mode, publicUrl: 'https://hub.example' });
        // The published SDK validates what it is given.
        expect(new CloudEvent({ ...event, hubtest: true }).type).toBe(type);
        expect(ajv.validate(schemaOf(definitionOf(type).fields, mode), event.data)).toBe(true);
        expect(event.subject).toMatch(/^[a-z]+\/[0-9a-f-]{36}$/);
        expect(event.time).toBe('2026-03-08T14:30:00.000Z');
        expect(JSON.stringify(event)).not.toMatch(/null\/|undefined/);
      }
    }
  });
});

describe('the first type of an endpoint', () => {
  it('is the first that its first pattern names', () => {
    expect(firstTypeOf(['payment.posted', 'patient.*'])).toBe('payment.posted');
    expect(firstTypeOf(['patient.*'])).toMatch(/^patient\./);
    expect(firstTypeOf(['*'])).toBe(eventTypes[0]);
  });

  it('skips what the catalogue has no longer, and may be none', () => {
    expect(firstTypeOf(['gone.type', 'patient.created'])).toBe('patient.created');
    expect(firstTypeOf(['gone.*'])).toBeUndefined();
  });
});
