import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nextAttemptDelaySeconds, RETRY_SCHEDULES } from './retry-schedule.js';

const DAY = 86_400;
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const schedules = fc.array(fc.integer({ min: 1, max: 30 * DAY }), { maxLength: 20 });

/** Attempts and total seconds until a delivery that always fails is given up. */
function runUntilDead(randomNumber: number): { attempts: number; seconds: number } {
  let seconds = 0;
  for (let attempts = 0; ; attempts++) {
    const delay = nextAttemptDelaySeconds(attempts, randomNumber);
    if (delay === null) return { attempts, seconds };
    seconds += delay;
  }
}

describe('the default retry schedule', () => {
  it('makes ten attempts over about three days, the first at once', () => {
    expect(nextAttemptDelaySeconds(0, 0.5)).toBe(0);
    const soonest = runUntilDead(0);
    const latest = runUntilDead(0.999_999);
    expect([soonest.attempts, latest.attempts]).toEqual([10, 10]);
    expect(soonest.seconds).toBeGreaterThan(2.5 * DAY);
    expect(latest.seconds).toBeLessThan(3.5 * DAY);
  });

  it('waits longer after each failure', () => {
    const delays: readonly number[] = RETRY_SCHEDULES.default;
    expect([...delays].sort((a, b) => a - b)).toEqual(delays);
    expect(new Set(delays).size).toBe(delays.length);
  });
});

describe('nextAttemptDelaySeconds', () => {
  it('never fires early and at most a fifth late, on any schedule', () => {
    fc.assert(
      fc.property(schedules, random, fc.nat({ max: 25 }), (schedule, r, index) => {
        const delay = nextAttemptDelaySeconds(index + 1, r, schedule);
        const planned = schedule[index];
        if (planned === undefined) {
          expect(delay).toBeNull();
        } else {
          expect(delay).toBeGreaterThanOrEqual(planned);
          expect(delay).toBeLessThanOrEqual(planned * 1.2);
        }
      }),
    );
  });

  it('spreads deliveries that failed together', () => {
    expect(nextAttemptDelaySeconds(1, 0)).toBe(5);
    expect(nextAttemptDelaySeconds(1, 0.5)).toBeCloseTo(5.5);
  });

  it('refuses a count or a random number out of range', () => {
    for (const attempts of [-1, 1.5, Number.NaN]) {
      expect(() => nextAttemptDelaySeconds(attempts, 0)).toThrow(RangeError);
    }
    for (const outside of [-0.1, 1, Number.NaN]) {
      expect(() => nextAttemptDelaySeconds(1, outside)).toThrow(RangeError);
    }
  });
});
