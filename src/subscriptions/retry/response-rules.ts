import { DateTime } from 'luxon';

/** A receiver may postpone the next attempt, but not so far that the delivery is forgotten. */
export const MAX_RETRY_AFTER_SECONDS = 24 * 60 * 60;

export type ResponseClass =
  { result: 'succeeded' } | { result: 'failed'; reason: 'http_status' | 'redirect' };

/**
 * What an HTTP answer means for a delivery. Only 2xx is a success. A redirect is a failure and is never
 * followed: it could lead a signed request, and the patient data in it, to a place nobody configured.
 */
export function classifyResponse(statusCode: number): ResponseClass {
  if (statusCode >= 200 && statusCode < 300) return { result: 'succeeded' };
  if (statusCode >= 300 && statusCode < 400) return { result: 'failed', reason: 'redirect' };
  return { result: 'failed', reason: 'http_status' };
}

/**
 * Seconds a receiver asks to wait with `Retry-After` (RFC 9110, 10.2.3): a number of seconds or an HTTP
 * date in any of its three forms, from 0 (also for a date in the past) to 24 hours (what is longer is
 * cut). Undefined when the header is absent or unreadable, so that the schedule alone decides.
 *
 * @param header the raw value; of a repeated header the first counts
 */
export function retryAfterSeconds(
  header: string | readonly string[] | undefined | null,
  now: Date,
): number | undefined {
  const value = (typeof header === 'string' ? header : header?.[0])?.trim();
  if (!value) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : secondsUntil(value, now);
  if (seconds === undefined) return undefined;
  return Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER_SECONDS);
}

function secondsUntil(httpDate: string, now: Date): number | undefined {
  // Not Date.parse: it reads "-1" or "1.5" as a date.
  const date = DateTime.fromHTTP(httpDate, { zone: 'utc' });
  return date.isValid ? Math.ceil((date.toMillis() - now.getTime()) / 1000) : undefined;
}
