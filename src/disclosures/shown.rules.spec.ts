import { describe, expect, it } from '@jest/globals';
import { shownBy } from './shown.rules.js';

const practice = '/v1/practices/:practiceId';
const told = (pattern: string, answer: unknown) =>
  shownBy(pattern, 'p', answer).map(({ what, patientId, accountId }) => [
    what,
    patientId,
    accountId,
  ]);

describe('what an answer shows of persons', () => {
  it('is each resource of a page or the one resource, by the ids in it', () => {
    const patient = { id: 'a', accountId: 'b' };
    expect(told(`${practice}/patients/:patientId`, patient)).toEqual([['patient', 'a', 'b']]);
    expect(told(`${practice}/patients`, { data: [patient, patient] })).toHaveLength(2);
    expect(told(`${practice}/appointments`, { data: [{ id: 'x', patientId: 'a' }] })).toEqual([
      ['appointment', 'a', null],
    ]);
    expect(told(`${practice}/accounts/:accountId`, { id: 'b' })).toEqual([['account', null, 'b']]);
    const entry = { id: 'x', accountId: 'b' };
    for (const name of ['accounts/:accountId/entries', 'charges', 'payments', 'adjustments']) {
      expect(told(`${practice}/${name}`, { data: [entry] })).toEqual([['entry', null, 'b']]);
    }
  });

  it('is read under what decides about it: no grant about other things counts', () => {
    const typesOf = (pattern: string, answer: object) => shownBy(pattern, 'p', answer)[0]!.types;
    const payment = { id: 'x', accountId: 'b', kind: 'payment' };
    const types = typesOf(`${practice}/accounts/:accountId/entries`, payment);
    expect(types).toContain('payment.posted');
    expect(types).not.toContain('charge.posted');
    expect(typesOf(`${practice}/accounts`, { id: 'b' })).not.toContain('patient.created');
  });

  it('is the events of a feed with their modes, also of one that comes as text', () => {
    const event = {
      id: 'e',
      type: 'payment.posted',
      practiceid: 'q',
      dataschema: 'http://hub/v1/event-types/payment.posted/versions/1/schema?mode=thin',
      data: { patientId: 'a', accountId: 'b' },
    };
    const shown = {
      practiceId: 'q',
      patientId: 'a',
      accountId: 'b',
      what: 'payment.posted',
      types: ['payment.posted'],
      mode: 'thin',
      eventId: 'e',
    };
    expect(shownBy('/v1/events', undefined, { data: [event] })).toEqual([shown]);
    expect(shownBy('/v1/events/:eventId', undefined, event)).toEqual([shown]);
    const entries = [
      { sequence: 1, withheld: 'revoked' },
      { sequence: 2, event },
    ];
    const text = JSON.stringify({ data: entries });
    expect(shownBy('/v1/endpoints/:endpointId/events', undefined, text)).toEqual([shown]);
  });

  it('is nothing where it is about nobody', () => {
    expect(told('/v1/grants', { data: [{ id: 'x' }] })).toEqual([]);
    expect(told(`${practice}/patients`, { data: [] })).toEqual([]);
    expect(told('/v1/events', { data: [{ type: 'endpoint.failing', data: {} }] })).toEqual([]);
  });
});
