const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Seconds to wait after the first, second, … failed attempt. When the list is used up the delivery is dead. */
export type RetrySchedule = readonly number[];

/**
 * The schedules an endpoint may name.
 *
 * `default` makes ten attempts over about three days (61 h 36 m without jitter, at most 74 h with it):
 * at once, then after 5 s, 1 min, 5 min, 30 min, 2 h, 5 h, 10 h, 20 h and 24 h. The first waits outlast a
 * restart, a deployment and a short outage; the last ones a night and a weekend day, long enough for
 * somebody to notice. The Standard Webhooks specification asks for retries over several days.
 *
 * `quick` makes 17 attempts over about ten minutes (9 m 51 s without jitter), for what is worth nothing after that.
 * `patient` makes 18 attempts over about eleven days, for receivers that may be away for a week. `none` makes one.
 */
export const RETRY_SCHEDULES = {
  default: [
    5 * SECOND,
    1 * MINUTE,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    20 * HOUR,
    24 * HOUR,
  ],
  quick: [1, 2, 3, 5, 5, 5, 10, 10, 10, 15, 15, 30, 60, 120, 120, 180],
  patient: [
    5 * SECOND,
    1 * MINUTE,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    6 * HOUR,
    12 * HOUR,
    ...Array<number>(10).fill(24 * HOUR),
  ],
  none: [],
} as const satisfies Record<string, RetrySchedule>;

export type RetryScheduleName = keyof typeof RETRY_SCHEDULES;

/** The largest share of a delay that jitter adds to it. */
const JITTER = 0.2;

/**
 * Seconds until the next attempt, or null when the delivery is to be given up (dead).
 *
 * Jitter only ever lengthens a delay: deliveries that failed together come back spread out, and a
 * receiver never hears from the hub earlier than the schedule says.
 *
 * @param attemptsMade finished attempts; 0 gives 0, the first attempt is due at once
 * @param random evenly spread in [0, 1), for example from Math.random()
 * @throws RangeError for a count or a random number out of range
 */
export function nextAttemptDelaySeconds(
  attemptsMade: number,
  random: number,
  schedule: RetrySchedule = RETRY_SCHEDULES.default,
): number | null {
  if (!Number.isInteger(attemptsMade) || attemptsMade < 0) {
    throw new RangeError('attemptsMade is a whole number, 0 or more');
  }
  if (!(random >= 0 && random < 1)) throw new RangeError('random lies in [0, 1)');
  if (attemptsMade === 0) return 0;
  const delay = schedule[attemptsMade - 1];
  return delay === undefined ? null : delay * (1 + random * JITTER);
}
