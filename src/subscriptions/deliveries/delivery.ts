import type { Disclosure } from './disclosure.js';
import type { LoggedEvent } from './logged-event.js';
import type { PayloadMode } from '../../events/catalog/fields.js';
import type { Reach } from '../reach/reach.js';
import type { RetrySchedule } from '../retry/retry-schedule.js';
import type { SigningKey } from '../signing/signing-key.js';
import type { StoredCircuit } from './circuit-breaker.js';
import type { WebhookAddress } from './webhook-client.js';
import type { SendOutcome } from './webhook-exchange.js';

export type Ordering = 'none' | 'subject' | 'practice';

/** An endpoint as the engine needs it. */
export interface Target {
  id: string;
  shard: number;
  address: WebhookAddress;
  /** As it asks for it; what is granted may be less. */
  payloadMode: PayloadMode;
  /** As events spell their actor: `operator`, `applications/{id}`, `partners/{id}`. */
  owner: string;
  access: TargetAccess;
  contentType: string;
  /** The owner's own headers. */
  headers: Readonly<Record<string, string>>;
  /** Those that are valid now, the current one first. */
  keys: readonly SigningKey[];
  /** Milliseconds until one of them is not valid any more. */
  keysChangeInMs?: number;
  /** Milliseconds a whole attempt may take. */
  timeoutMs: number;
  mostInFlight: number;
  ratePerSecond: number | null;
  ordering: Ordering;
  schedule: RetrySchedule;
  /** Deliveries up to this number need no look (see `endpoint_progress`). */
  attemptedThrough: number;
  /** When its owner enabled it last, also without its having been disabled; null where that never was. */
  enabledAt: string | null;
  /** Deliveries wait for others in the table. */
  hasFollowers: boolean;
  /** It has failed since its last success. */
  failing: boolean;
  circuit: StoredCircuit;
  /** When something of it was resent last while its circuit was open; null where that never was. */
  probeAskedAt: string | null;
  /** It asked to be left alone for so long. */
  throttledForMs: number;
}

/** What an endpoint may be sent, as its lane has heard of it. */
export interface TargetAccess {
  reach: Reach;
  /** Of `endpoint_set_version`, for an endpoint that can lose something: what has newer numbers waits for a look. */
  version: string;
  /** Whoever was restricted up to here is not in what a partner's lane holds. */
  restrictions: string;
  /** Milliseconds of this process's monotonic clock; from then on it may be otherwise, because a grant ends or begins. */
  until: number;
}

/** Whether an endpoint has lost something since it was `former`, so that what it holds has to be looked at again. */
export function reachesLess({ access }: Target, { access: former }: Target): boolean {
  const isMoreRestricted = access.reach.isGranted && access.restrictions !== former.restrictions;
  return isMoreRestricted || access.reach.isLessThan(former.reach);
}

/** Whether what a lane has heard of access may be older than what is numbered under this version. */
export function isOutdated({ access }: Target, version: string, now: number): boolean {
  return access.reach.isLimited && (access.version !== version || access.until <= now);
}

/**
 * A delivery that is due and in memory, its event beside it. `stream`: its first attempt, in order of the numbers;
 * `retry`: waited in `delivery_retries`; `follower`: waited for an earlier one of its key.
 */
export interface DueDelivery {
  id: string;
  from: 'stream' | 'retry' | 'follower';
  sequence: number;
  /** Finished attempts. */
  attempts: number;
  event: LoggedEvent;
  /** What orders it; null where nothing does. */
  orderKey: string | null;
  replayId: string | null;
}

/** What an attempt tells of the endpoint as a whole. */
export interface Standing {
  /** Undefined: nothing either way. */
  isUp?: boolean;
  /** It does not want to be called any more (410). */
  isGone?: boolean;
  /** It is overtaxed: fewer at once. */
  isSlow?: boolean;
  /** It asked to be left alone for so many seconds. */
  silenceSeconds?: number;
}

/** What one attempt came to, ready to be recorded. */
export interface AttemptResult {
  delivery: DueDelivery;
  /** Counted from 1. */
  number: number;
  status: 'delivered' | 'failed' | 'dead';
  /** With `failed`: when the next attempt is due, counted from the recording. */
  retryInSeconds: number | null;
  at: Date;
  durationMs: number;
  /** `internal_error` is the hub's own mistake; the delivery is tried again all the same. */
  outcome: SendOutcome | 'internal_error';
  statusCode: number | null;
  error: string | null;
  /** The beginning of what the receiver answered to a failed attempt. Never for a log. */
  response: string | null;
  /** What it told a partner of a person; undefined where it did not, or where nothing left the hub. */
  disclosure: Disclosure | undefined;
  standing: Standing;
}
