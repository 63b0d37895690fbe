import type { StoredEvent } from '../../events/catalog/envelope.js';
import type { PayloadMode } from '../../events/catalog/fields.js';
import type { SigningSecret } from '../signing/standard-webhooks.js';
import type { SendOutcome } from './webhook-exchange.js';

/** An endpoint as the engine needs it. */
export interface Target {
  id: string;
  shard: number;
  url: string;
  payloadMode: PayloadMode;
  secret: SigningSecret;
}

/** A delivery that is due and in memory, its event beside it. */
export interface DueDelivery {
  id: string;
  sequence: string;
  /** Finished attempts. */
  attempts: number;
  event: StoredEvent;
}

/** What one attempt came to, ready to be recorded. */
export interface AttemptResult {
  deliveryId: string;
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
}
