import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  actions,
  isLateCancel,
  legalActions,
  mayBeCreatedAs,
  standingAfter,
  statuses,
  timesFault,
  type Action,
  type Standing,
} from './appointment.rules.js';

const now = new Date('2026-03-09T14:30:00Z');
const booked: Standing = {
  status: 'booked',
  confirmation: 'unconfirmed',
  seatedAt: null,
  earlierStatuses: [],
};

/** Where a booking stands after these steps; throws at an illegal one. */
function after(steps: Action[], from: Standing = booked): Standing {
  return steps.reduce((standing, action) => {
    const next = standingAfter(standing, action, now);
    if (!next) throw new Error(`${action} is illegal`);
    return next;
  }, from);
}

describe('what is legal', () => {
  it.each<[name: string, Action[], Action[]]>([
    [
      'booked',
      [],
      ['reschedule', 'confirm', 'arrive', 'check-in', 'complete', 'cancel', 'no-show'],
    ],
    [
      'confirmed',
      ['confirm'],
      ['reschedule', 'unconfirm', 'arrive', 'check-in', 'complete', 'cancel', 'no-show'],
    ],
    ['arrived', ['arrive'], ['check-in', 'complete', 'cancel', 'reopen']],
    ['checked in', ['check-in'], ['seat', 'complete', 'cancel', 'reopen']],
    ['seated', ['check-in', 'seat'], ['complete', 'cancel', 'reopen']],
    ['completed', ['complete'], ['reopen']],
    ['cancelled', ['cancel'], ['reopen']],
    ['not come', ['no-show'], ['reopen']],
  ])('%s', (_, steps, legal) => {
    expect(legalActions(after(steps))).toEqual(legal);
  });

  it('for a request', () => {
    expect(legalActions({ ...booked, status: 'proposed' })).toEqual([
      'reschedule',
      'confirm',
      'cancel',
    ]);
  });

  it('nothing once it was entered in error', () => {
    expect(legalActions({ ...booked, status: 'entered-in-error' })).toEqual([]);
  });

  it('is exactly what is carried out', () => {
    const standings = fc.record({
      status: fc.constantFrom(...statuses),
      confirmation: fc.constantFrom('unconfirmed' as const, 'confirmed' as const),
      seatedAt: fc.constantFrom(null, now),
      earlierStatuses: fc.constant([]),
    });
    fc.assert(
      fc.property(standings, fc.constantFrom(...actions), (standing, action) => {
        const legal = legalActions(standing).includes(action);
        expect(standingAfter(standing, action, now) !== undefined).toBe(legal);
      }),
    );
  });
});

describe('steps', () => {
  it('starts confirmation again after a move', () => {
    expect(after(['confirm', 'reschedule'])).toEqual(booked);
  });

  it('books a request that is confirmed', () => {
    const request: Standing = { ...booked, status: 'proposed' };
    expect(after(['confirm'], request)).toMatchObject({
      status: 'booked',
      confirmation: 'confirmed',
    });
  });

  it('seats without a status of its own', () => {
    expect(after(['check-in', 'seat'])).toMatchObject({ status: 'checked-in', seatedAt: now });
  });
});

describe('reopening', () => {
  it.each<[Action[], Partial<Standing>]>([
    [['cancel'], { status: 'booked' }],
    [['no-show'], { status: 'booked' }],
    [['arrive', 'complete'], { status: 'arrived' }],
    [['arrive', 'check-in'], { status: 'arrived' }],
    [['check-in', 'seat'], { status: 'checked-in', seatedAt: null }],
    [['check-in', 'seat', 'complete'], { status: 'checked-in', seatedAt: now }],
    [['arrive', 'cancel', 'reopen'], { status: 'booked' }],
  ])('after %j', (steps, expected) => {
    expect(after([...steps, 'reopen'])).toMatchObject(expected);
  });

  it('takes what was created with a final status back to booked', () => {
    expect(after(['reopen'], { ...booked, status: 'fulfilled' })).toEqual(booked);
  });

  it('undoes any one step that changed the status, and can be repeated to the beginning', () => {
    const steps = fc.array(
      fc.constantFrom<Action>('arrive', 'check-in', 'seat', 'complete', 'cancel', 'no-show'),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(steps, (wanted) => {
        const past: Standing[] = [];
        let standing = booked;
        for (const action of wanted) {
          const next = standingAfter(standing, action, now);
          if (!next) continue;
          past.push(standing);
          standing = next;
        }
        for (const before of past.reverse()) {
          standing = standingAfter(standing, 'reopen', now)!;
          expect(standing).toEqual(before);
        }
      }),
    );
  });
});

describe('creation', () => {
  it('takes a final status only for what is over', () => {
    expect(statuses.filter((status) => mayBeCreatedAs(status, false))).toEqual([
      'proposed',
      'booked',
    ]);
    expect(statuses.filter((status) => !mayBeCreatedAs(status, true))).toEqual([
      'entered-in-error',
    ]);
  });

  it.each([
    ['2026-03-09T14:30:00Z', 'end_not_after_start'],
    ['2026-03-09T14:29:00Z', 'end_not_after_start'],
    ['2026-03-16T14:30:00.001Z', 'too_long'],
    ['2026-03-16T14:30:00Z', undefined],
  ])('with an end at %s', (end, code) => {
    expect(timesFault(now, new Date(end))?.code).toBe(code);
  });
});

it('calls a cancellation late within a day of the start', () => {
  const hoursBefore = (hours: number) => new Date(now.getTime() - hours * 3_600_000);
  expect(isLateCancel(now, hoursBefore(24))).toBe(false);
  expect(isLateCancel(now, hoursBefore(23.99))).toBe(true);
  expect(isLateCancel(now, hoursBefore(-1))).toBe(true);
});
