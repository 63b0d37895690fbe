import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  daysEarlier,
  instantOf,
  localTimeOf,
  timesInZone,
  timesMovedTo,
} from './local-time.rules.js';

const at = (iso: string) => new Date(iso);
const zones = [
  'America/New_York',
  'America/Chicago',
  'Europe/Berlin',
  'Europe/Dublin',
  'Australia/Lord_Howe',
  'America/St_Johns',
  'Asia/Kolkata',
  'Pacific/Auckland',
  'UTC',
];

describe('instantOf', () => {
  it.each([
    ['an ordinary time', '2026-06-01T09:30:00', 'America/New_York', '2026-06-01T13:30:00.000Z'],
    ['below a zone east', '2026-06-01T09:30:00', 'Asia/Kolkata', '2026-06-01T04:00:00.000Z'],
    ['with milliseconds', '2026-06-01T09:30:00.250', 'UTC', '2026-06-01T09:30:00.250Z'],
  ])('finds %s', (_, local, zone, expected) => {
    expect(instantOf(local, zone)).toEqual(at(expected));
  });

  it.each([
    // 02:00 becomes 03:00.
    ['America/New_York', '2026-03-08T02:30:00', '2026-03-08T07:30:00.000Z', '2026-03-08T03:30:00'],
    ['Europe/Berlin', '2026-03-29T02:00:00', '2026-03-29T01:00:00.000Z', '2026-03-29T03:00:00'],
    // 02:00 becomes 02:30.
    [
      'Australia/Lord_Howe',
      '2026-10-04T02:15:00',
      '2026-10-03T15:45:00.000Z',
      '2026-10-04T02:45:00',
    ],
    // Midnight does not exist.
    ['Africa/Cairo', '2026-04-24T00:30:00', '2026-04-23T22:30:00.000Z', '2026-04-24T01:30:00'],
  ])('moves a time that does not exist in %s forward by the gap', (zone, local, instant, shown) => {
    expect(instantOf(local, zone)).toEqual(at(instant));
    expect(localTimeOf(instantOf(local, zone), zone)).toBe(shown);
  });

  it.each([
    ['America/New_York', '2026-11-01T01:30:00', '2026-11-01T05:30:00.000Z'],
    ['Europe/Berlin', '2026-10-25T02:30:00', '2026-10-25T00:30:00.000Z'],
    ['Europe/Dublin', '2026-10-25T01:15:00', '2026-10-25T00:15:00.000Z'],
    ['Australia/Lord_Howe', '2026-04-05T01:45:00', '2026-04-04T14:45:00.000Z'],
  ])('takes the first of a time that exists twice in %s', (zone, local, expected) => {
    expect(instantOf(local, zone)).toEqual(at(expected));
  });

  it('shows a moment of that very wall-clock time, and the first such one', () => {
    const moments = fc.date({
      min: at('2024-01-01T00:00:00Z'),
      max: at('2032-01-01T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(moments, fc.constantFrom(...zones), (moment, zone) => {
        const local = localTimeOf(moment, zone);
        const found = instantOf(local, zone);
        expect(localTimeOf(found, zone)).toBe(local);
        expect(found.getTime()).toBeLessThanOrEqual(moment.getTime());
        expect(moment.getTime() - found.getTime()).toBeLessThanOrEqual(3_600_000);
      }),
      { numRuns: 500 },
    );
  });
});

describe('daysEarlier', () => {
  it('counts days of the calendar', () => {
    expect(daysEarlier('2026-03-01T09:30:00', 1)).toBe('2026-02-28T09:30:00');
    expect(daysEarlier('2028-03-01T09:30:00', 1, '08:00')).toBe('2028-02-29T08:00:00');
  });
});

describe('timesMovedTo', () => {
  const start = at('2026-06-01T14:30:00Z');
  const end = at('2026-06-01T15:15:00Z');
  const chicago = timesInZone(start, end, 'America/Chicago');

  it('keeps the wall clock and the length', () => {
    expect(chicago.localStart).toBe('2026-06-01T09:30:00');
    expect(timesMovedTo(chicago, 'America/Los_Angeles')).toEqual({
      start: at('2026-06-01T16:30:00Z'),
      end: at('2026-06-01T17:15:00Z'),
      timeZone: 'America/Los_Angeles',
      localStart: '2026-06-01T09:30:00',
    });
  });

  it('says what the clock shows where the other zone skips the time', () => {
    const early = timesInZone(
      at('2026-03-29T08:30:00Z'),
      at('2026-03-29T09:00:00Z'),
      'America/Denver',
    );
    expect(early.localStart).toBe('2026-03-29T02:30:00');
    expect(timesMovedTo(early, 'Europe/Berlin').localStart).toBe('2026-03-29T03:30:00');
  });
});
