import { nextAttemptDelaySeconds, type RetrySchedule } from '../retry/retry-schedule.js';
import type { AttemptResult, Standing } from './delivery.js';
import type { SendResult } from './webhook-exchange.js';

/** A receiver that says "too many" and not for how long gets a moment all the same. */
const unaskedSilenceSeconds = 1;

/** How often a delivery whose schedule is used up may be put off, and for how long at least. */
const mostPutOff = 20;
const putOffSeconds = 60;

type Verdict = Pick<AttemptResult, 'status' | 'retryInSeconds' | 'standing'>;

/**
 * What an attempt means for its delivery and for its endpoint. Pure.
 *
 * - 2xx: delivered; the endpoint is up.
 * - 410: the endpoint is disabled; the delivery waits like any that failed, for the day it is enabled again.
 * - 429, and 503 with Retry-After: the endpoint lives and wants fewer; the whole of it is left alone for as long as it
 *   asks, at most 24 hours, and this delivery is not tried before.
 * - 502, 504: something before it is overtaxed; fewer at once.
 * - anything else: a failure.
 *
 * A schedule that is used up makes a dead letter of a failure alone: not of an answer that only asks for time, nor of
 * what the hub itself could not send. Those are tried a few more times.
 *
 * @param result undefined where the hub itself could not send, which says nothing of the endpoint
 * @param random evenly spread in [0, 1)
 */
export function judge(
  result: SendResult | undefined,
  number: number,
  schedule: RetrySchedule,
  random: number,
): Verdict {
  if (result?.outcome === 'succeeded') {
    return { status: 'delivered', retryInSeconds: null, standing: { isUp: true } };
  }
  const standing = result ? standingOf(result) : {};
  const delay = nextAttemptDelaySeconds(number, random, schedule);
  if (delay === null) {
    const asksForTime = standing.silenceSeconds !== undefined && standing.isUp !== false;
    const isPutOff = !result || standing.isGone || asksForTime;
    if (!isPutOff || number > schedule.length + mostPutOff) {
      return { status: 'dead', retryInSeconds: null, standing };
    }
    const retryInSeconds = Math.max(putOffSeconds * (1 + random), standing.silenceSeconds ?? 0);
    return { status: 'failed', retryInSeconds, standing };
  }
  const retryInSeconds = Math.max(delay, standing.silenceSeconds ?? 0);
  return { status: 'failed', retryInSeconds, standing };
}

function standingOf({ statusCode, retryAfterSeconds }: SendResult): Standing {
  switch (statusCode) {
    case 410:
      return { isUp: false, isGone: true };
    case 429:
      return {
        isUp: true,
        isSlow: true,
        silenceSeconds: retryAfterSeconds ?? unaskedSilenceSeconds,
      };
    case 503:
      // Some proxies always say 0: that asks for nothing, and the endpoint is down.
      return retryAfterSeconds === undefined || retryAfterSeconds < unaskedSilenceSeconds
        ? { isUp: false }
        : { isSlow: true, silenceSeconds: retryAfterSeconds };
    case 502:
    case 504:
      return { isUp: false, isSlow: true, silenceSeconds: unaskedSilenceSeconds };
    default:
      return { isUp: false };
  }
}
