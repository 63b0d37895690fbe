import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { localTimeOf } from '../appointments/local-time.rules.js';
import { leadOf, onLateChoices, type ReminderRule } from '../practices/reminder-rule.js';
import { dueMoment, fateOf, planReminders, type Finding } from './reminder.rules.js';

const zone = 'America/New_York';

function rule(lead: Partial<ReminderRule>, onLate: ReminderRule['onLate'] = 'nearest') {
  return { id: leadOf(lead), onLate, ...lead } as ReminderRule;
}

function booking(start: string, timeZone = zone) {
  return { start: new Date(start), localStart: localTimeOf(new Date(start), timeZone) };
}

const due = (lead: Partial<ReminderRule>, start: string, timeZone = zone) =>
  dueMoment(rule(lead), booking(start, timeZone), timeZone).toISOString();

describe('when a rule is due', () => {
  it('counts minutes as elapsed time, also across a clock change', () => {
    // 03:30 EDT; the clock went from 02:00 EST to 03:00 EDT half an hour ago.
    expect(due({ leadMinutes: 60 }, '2026-03-08T07:30:00Z')).toBe('2026-03-08T06:30:00.000Z');
    expect(due({ leadMinutes: 1440 }, '2026-03-08T13:00:00Z')).toBe('2026-03-07T13:00:00.000Z');
  });

  it.each([
    // The clock is put forward in the night: 09:00 the day before is 23 hours earlier.
    ['America/New_York', '2026-03-08T13:00:00Z', '2026-03-07T14:00:00.000Z'],
    // Put back: 25 hours.
    ['America/New_York', '2026-11-01T14:00:00Z', '2026-10-31T13:00:00.000Z'],
    ['Europe/Berlin', '2026-03-29T07:00:00Z', '2026-03-28T08:00:00.000Z'],
    ['Europe/Berlin', '2026-10-25T08:00:00Z', '2026-10-24T07:00:00.000Z'],
    // By half an hour.
    ['Australia/Lord_Howe', '2026-10-03T22:00:00Z', '2026-10-02T22:30:00.000Z'],
    // Never.
    ['Asia/Kolkata', '2026-03-08T03:30:00Z', '2026-03-07T03:30:00.000Z'],
  ])('keeps 09:00 the day before in %s (%s)', (timeZone, start, expected) => {
    expect(localTimeOf(new Date(start), timeZone)).toMatch(/T09:00:00$/);
    expect(due({ leadDays: 1 }, start, timeZone)).toBe(expected);
  });

  it('takes the time of day from at', () => {
    expect(due({ leadDays: 2, at: '18:00' }, '2026-06-10T13:00:00Z')).toBe(
      '2026-06-08T22:00:00.000Z',
    );
  });

  it('moves forward over a time that does not exist that day', () => {
    expect(due({ leadDays: 1, at: '02:30' }, '2026-03-09T13:00:00Z')).toBe(
      '2026-03-08T07:30:00.000Z',
    );
  });

  it('is the first of a time that exists twice that day', () => {
    expect(due({ leadDays: 1, at: '01:30' }, '2026-11-02T14:00:00Z')).toBe(
      '2026-11-01T05:30:00.000Z',
    );
  });

  it('shows the same wall clock the wanted days before, whatever the zone does meanwhile', () => {
    const starts = fc.date({
      min: new Date('2025-01-01T00:00:00Z'),
      max: new Date('2030-01-01T00:00:00Z'),
      noInvalidDate: true,
    });
    const zones = fc.constantFrom(zone, 'Europe/Berlin', 'Pacific/Auckland', 'Asia/Kolkata');
    const days = fc.integer({ min: 1, max: 200 });
    fc.assert(
      fc.property(starts, zones, days, (start, timeZone, leadDays) => {
        const appointment = { start, localStart: localTimeOf(start, timeZone) };
        const at = dueMoment(rule({ leadDays }), appointment, timeZone);
        expect(at.getTime()).toBeLessThan(start.getTime());
        const [day, time] = appointment.localStart.split('T');
        const shown = localTimeOf(at, timeZone).split('T');
        const elapsedDays =
          (Date.parse(`${day}T00:00Z`) - Date.parse(`${shown[0]}T00:00Z`)) / 864e5;
        expect(elapsedDays).toBe(leadDays);
        // Only in a gap does it show another time, later by the gap.
        if (shown[1] !== time) expect(shown[1]! > time!).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('planning', () => {
  const start = '2026-06-10T13:00:00Z';
  const plan = (rules: ReminderRule[], now: string) =>
    Object.fromEntries(
      planReminders(rules, booking(start), zone, new Date(now)).map(({ rule: { id }, status }) => [
        id,
        status,
      ]),
    );

  it('waits for what is ahead', () => {
    const rules = [rule({ leadMinutes: 30 }), rule({ leadDays: 1 })];
    expect(plan(rules, '2026-06-01T00:00:00Z')).toEqual({ '30m': 'pending', '1d': 'pending' });
  });

  it('plans nothing for what has begun', () => {
    expect(plan([rule({ leadMinutes: 30 }, 'fire_now')], start)).toEqual({});
  });

  describe('of a late booking', () => {
    it('nearest: stays silent while another rule is ahead', () => {
      const rules = [rule({ leadMinutes: 30 }), rule({ leadDays: 1 })];
      expect(plan(rules, '2026-06-10T11:00:00Z')).toEqual({ '30m': 'pending', '1d': 'skipped' });
    });

    it('nearest: with nothing ahead only the latest of those passed fires', () => {
      const rules = [rule({ leadDays: 1 }), rule({ leadMinutes: 30 }), rule({ leadDays: 2 })];
      expect(plan(rules, '2026-06-10T12:50:00Z')).toEqual({
        '1d': 'skipped',
        '30m': 'pending',
        '2d': 'skipped',
      });
    });

    it('nearest: a rule that is never late does not speak for it', () => {
      const rules = [rule({ leadMinutes: 30 }, 'skip'), rule({ leadDays: 1 })];
      expect(plan(rules, '2026-06-10T12:50:00Z')).toEqual({ '30m': 'skipped', '1d': 'pending' });
    });

    it('fire_now fires whatever else there is', () => {
      const rules = [rule({ leadMinutes: 30 }), rule({ leadDays: 1 }, 'fire_now')];
      expect(plan(rules, '2026-06-10T11:00:00Z')).toEqual({ '30m': 'pending', '1d': 'pending' });
    });

    it('skip never fires', () => {
      expect(plan([rule({ leadDays: 1 }, 'skip')], '2026-06-10T12:50:00Z')).toEqual({
        '1d': 'skipped',
      });
    });

    it('counts the very moment as passed', () => {
      const rules = [rule({ leadMinutes: 30 }, 'skip')];
      expect(plan(rules, '2026-06-10T12:30:00.000Z')).toEqual({ '30m': 'skipped' });
      expect(plan(rules, '2026-06-10T12:29:59.999Z')).toEqual({ '30m': 'pending' });
    });

    it('of nearest rules fires one at most, and none while any is ahead', () => {
      const leads = fc.uniqueArray(fc.integer({ min: 1, max: 300 }), {
        minLength: 1,
        maxLength: 6,
      });
      const choices = fc.constantFrom(...onLateChoices);
      const minutes = fc.integer({ min: 1, max: 300 });
      fc.assert(
        fc.property(leads, fc.array(choices, { minLength: 6 }), minutes, (all, onLate, before) => {
          const rules = all.map((leadMinutes, i) => rule({ leadMinutes }, onLate[i]));
          const now = new Date(Date.parse(start) - before * 60_000);
          const planned = planReminders(rules, booking(start), zone, now);
          const ahead = planned.filter(({ dueAt }) => dueAt > now);
          const late = planned.filter(
            ({ dueAt, status, rule: { onLate } }) =>
              dueAt <= now && status === 'pending' && onLate === 'nearest',
          );
          expect(ahead.every(({ status }) => status === 'pending')).toBe(true);
          expect(late.length).toBeLessThanOrEqual(ahead.length > 0 ? 0 : 1);
        }),
      );
    });
  });
});

describe('what becomes of a due reminder', () => {
  const now = new Date('2026-06-10T12:30:00Z');
  const good: Finding = {
    sequence: 1,
    fireUntil: new Date('2026-06-10T13:00:00Z'),
    appointment: { sequence: 1, status: 'booked' },
    patient: { status: 'active', deleted: false },
  };

  it('fires', () => expect(fateOf(good, now)).toBe('fired'));

  it('is missed once the appointment has begun', () => {
    expect(fateOf(good, good.fireUntil)).toBe('missed');
  });

  it.each(['proposed', 'arrived', 'checked-in', 'fulfilled', 'cancelled', 'noshow'] as const)(
    'is superseded for an appointment that is %s',
    (status) => {
      expect(fateOf({ ...good, appointment: { sequence: 1, status } }, now)).toBe('superseded');
    },
  );

  it('is superseded by a move', () => {
    const moved = { ...good, appointment: { sequence: 2, status: 'booked' as const } };
    expect(fateOf(moved, now)).toBe('superseded');
  });

  it.each([
    [{ status: 'deceased', deleted: false }],
    [{ status: 'inactive', deleted: false }],
    [{ status: 'merged', deleted: false }],
    [{ status: 'active', deleted: true }],
    [null],
  ])('is skipped for a patient who is %j', (patient) => {
    expect(fateOf({ ...good, patient }, now)).toBe('skipped');
    expect(fateOf({ ...good, patient }, good.fireUntil)).toBe('skipped');
  });
});
