import { describe, expect, it } from '@jest/globals';
import { changedTerms, termsFaults, type Terms } from './grant.rules.js';

const now = new Date('2026-03-08T12:00:00Z');
const terms: Terms = {
  eventTypes: ['payment.*', 'appointment.scheduled'],
  payloadMode: 'minimum',
  readMode: 'none',
  agreementReference: 'BAA-2026-117',
  purpose: 'Reconciliation',
  startsAt: now,
  expiresAt: new Date('2027-03-08T12:00:00Z'),
};
const bare: Terms = { ...terms, agreementReference: null, purpose: null, expiresAt: null };

function faults(change: Partial<Terms>, needsAgreement = true): string[] {
  const found = termsFaults({ ...terms, ...change }, needsAgreement, now);
  return found.map(({ pointer, code }) => `${pointer} ${code}`);
}

describe('terms', () => {
  it('are right with an agreement, a purpose and an end', () => {
    expect(faults({})).toEqual([]);
  });

  it('need none of them where the practice asks for none', () => {
    expect(faults(bare, false)).toEqual([]);
  });

  it('need all of them where it does, told at once', () => {
    expect(faults(bare)).toEqual([
      '/agreementReference agreement_required',
      '/purpose agreement_required',
      '/expiresAt agreement_required',
    ]);
  });

  it.each([true, false])('must say something where they say anything (needed: %s)', (needed) => {
    expect(faults({ agreementReference: ' ', purpose: '\t \n' }, needed)).toEqual([
      '/agreementReference blank',
      '/purpose blank',
    ]);
  });

  it('end in the future, and after they begin', () => {
    expect(faults({ expiresAt: now })).toEqual(['/expiresAt in_the_past']);
    const startsAt = new Date('2026-04-01T00:00:00Z');
    expect(faults({ startsAt, expiresAt: startsAt })).toEqual(['/expiresAt ends_before_start']);
    expect(faults({ startsAt, expiresAt: new Date('2026-04-01T00:00:01Z') })).toEqual([]);
  });

  it('name types of events that a practice has', () => {
    const eventTypes = ['*', 'payment.*', 'payment.postd', 'grant.*', 'endpoint.failing', 'x', ''];
    expect(faults({ eventTypes })).toEqual(
      [2, 3, 4, 5, 6].map((place) => `/eventTypes/${place} unknown_event_type`),
    );
  });
});

describe('what changed', () => {
  it('is what differs by value, in a fixed order', () => {
    const same = {
      ...terms,
      eventTypes: [...terms.eventTypes],
      expiresAt: new Date(terms.expiresAt!),
    };
    expect(changedTerms(terms, same)).toEqual([]);
    const other: Terms = {
      ...bare,
      eventTypes: ['payment.*'],
      payloadMode: 'thin',
      readMode: 'full',
    };
    expect(changedTerms(terms, other)).toEqual([
      'eventTypes',
      'payloadMode',
      'readMode',
      'agreementReference',
      'purpose',
      'expiresAt',
    ]);
  });
});
