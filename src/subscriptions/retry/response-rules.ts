import { DateTime } from 'luxon';

/** A receiver may postpone the next attempt, but not so far that the delivery is forgotten. */
export const MAX_RETRY_AFTER_SECONDS = 24 * 60 * 60;

/** What an answer means for the whole endpoint, beyond its one delivery. */
export type EndpointEffect =
  /** It says that it is gone for good. */
  | 'disable'
  /** It, or the proxy in front of it, has more than it can take: send less. */
  | 'throttle';

export type ResponseClass =
  | { result: 'succeeded' }
  | { result: 'failed'; reason: 'http_status' | 'redirect' | 'gone'; effect?: EndpointEffect };

/** Made once: classifying is on the path of every webhook. */
const SUCCEEDED: ResponseClass = { result: 'succeeded' };
const REDIRECT: ResponseClass = { result: 'failed', reason: 'redirect' };
const GONE: ResponseClass = { result: 'failed', reason: 'gone', effect: 'disable' };
const OVERLOADED: ResponseClass = { result: 'failed', reason: 'http_status', effect: 'throttle' };
const FAILED: ResponseClass = { result: 'failed', reason: 'http_status' };

/**
 * What an HTTP answer means for a delivery. Only 2xx is a success. A redirect is a failure and is never
 * followed: it could lead a signed request, and the patient data in it, to a place nobody configured.
 * 410 disables the endpoint; 429 and 503, and 502 and 504 of a gateway whose backend is too slow, slow it down.
 */
export function classifyResponse(statusCode: number): ResponseClass {
  if (statusCode >= 200 && statusCode < 300) return SUCCEEDED;
  if (statusCode >= 300 && statusCode < 400) return REDIRECT;
  if (statusCode === 410) return GONE;
  if (mayAskToWait(statusCode) || statusCode === 502 || statusCode === 504) return OVERLOADED;
  return FAILED;
}

/** Whether `Retry-After` is honoured: with 429 (RFC 6585, 4) and 503 (RFC 9110, 15.6.4), where it is defined. */
export function mayAskToWait(statusCode: number): boolean {
  return statusCode === 429 || statusCode === 503;
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
