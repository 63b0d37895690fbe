import { nextAttemptDelaySeconds } from '../retry/retry-schedule.js';
import { signedHeaders } from '../signing/standard-webhooks.js';
import type { AttemptResult, DueDelivery, Target } from './delivery.js';
import type { Logger } from '../../platform/logger.js';
import type { Metrics } from '../../platform/metrics.js';
import type { Settings } from '../../platform/settings.js';
import { WebhookBodies } from './webhook-body.js';
import type { WebhookClient } from './webhook-client.js';
import type { SendResult } from './webhook-exchange.js';

/** One attempt: render, sign, post, judge. */
export class Sender {
  private readonly bodies: WebhookBodies;

  constructor(
    private readonly client: WebhookClient,
    settings: Settings,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {
    this.bodies = new WebhookBodies(settings);
  }

  /** Never rejects: whatever happens is a result, and so is recorded and tried again. */
  async send(target: Target, delivery: DueDelivery): Promise<AttemptResult> {
    const at = new Date();
    const { url, secret, payloadMode, id } = target;
    const { event, sequence } = delivery;
    const number = delivery.attempts + 1;
    let result: SendResult | undefined;
    try {
      const body = this.bodies.body(event, payloadMode, id, sequence);
      const timestamp = Math.floor(at.getTime() / 1000);
      const headers = {
        'content-type': 'application/json',
        'user-agent': 'practice-event-hub/1',
        ...signedHeaders([secret], event.id, timestamp, body),
        'hub-sequence': sequence,
        'hub-attempt': String(number),
      };
      result = await this.client.send({ url, headers, body });
    } catch (error) {
      // A mistake of the hub's own, such as a closed client; nothing of it is the partner's business.
      this.logger.error({ err: error, deliveryId: delivery.id }, 'a webhook could not be sent');
    }
    const durationMs = result?.durationMs ?? 0;
    const outcome = result?.outcome ?? 'internal_error';
    this.metrics.webhookAttempts.inc({ outcome });
    this.metrics.webhookSeconds.observe(durationMs / 1000);
    return {
      deliveryId: delivery.id,
      number,
      ...judge(result, number),
      at,
      durationMs,
      outcome,
      statusCode: result?.statusCode ?? null,
      error: result ? (result.error ?? null) : 'the hub could not send',
    };
  }
}

function judge(
  result: SendResult | undefined,
  number: number,
): Pick<AttemptResult, 'status' | 'retryInSeconds'> {
  if (result?.outcome === 'succeeded') return { status: 'delivered', retryInSeconds: null };
  const delay = nextAttemptDelaySeconds(number, Math.random());
  if (delay === null) return { status: 'dead', retryInSeconds: null };
  return { status: 'failed', retryInSeconds: Math.max(delay, result?.retryAfterSeconds ?? 0) };
}
