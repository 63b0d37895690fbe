import { describe, expect, it } from '@jest/globals';
import { assertMatchesSchema } from '../outbox/validate.js';
import { appointmentEvents } from './appointment.js';
import { definitionOf, type EventType } from './catalog.js';
import { projectFields } from './fields.js';

describe.each(Object.keys(appointmentEvents) as EventType[])('%s', (type) => {
  const { fields, example } = definitionOf(type);

  it('has an example that is true to its schema', () => {
    expect(() => assertMatchesSchema(type, example)).not.toThrow();
  });

  it('shows ids only when thin, and no text about the patient below full', () => {
    const ids = ['appointmentId', 'patientId', 'accountId', 'ruleId'];
    expect(ids).toEqual(
      expect.arrayContaining(Object.keys(projectFields(fields, example, 'thin'))),
    );
    const minimum = projectFields(fields, example, 'minimum');
    expect(minimum).not.toHaveProperty('note');
    expect(minimum).not.toHaveProperty('reason');
  });
});

it('does not tell that a note changed to who may not see notes', () => {
  const { fields, example } = definitionOf('appointment.updated');
  expect(projectFields(fields, example, 'full')).toMatchObject({ changedFields: ['note'] });
  expect(projectFields(fields, example, 'minimum')).toMatchObject({ changedFields: [] });
});
