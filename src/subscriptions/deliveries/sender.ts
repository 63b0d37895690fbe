import { signedHeaders } from '../signing/standard-webhooks.js';
import { judge } from './attempt-rules.js';
import type { AttemptResult, DueDelivery, Target } from './delivery.js';
import { disclosureOf } from './disclosure.js';
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
    private readonly settings: Settings,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {
    this.bodies = new WebhookBodies(settings);
  }

  /** Never rejects: whatever happens is a result, and so is recorded and tried again. */
  async send(target: Target, delivery: DueDelivery): Promise<AttemptResult> {
    const at = new Date();
    const number = delivery.attempts + 1;
    let result: SendResult | undefined;
    try {
      result = await this.post(target, delivery, number, at);
    } catch (error) {
      // A mistake of the hub's own, such as a closed client; nothing of it is the partner's business.
      this.logger.error({ err: error, deliveryId: delivery.id }, 'a webhook could not be sent');
    }
    const durationMs = result?.durationMs ?? 0;
    const outcome = result?.outcome ?? 'internal_error';
    this.metrics.attempt(outcome, durationMs / 1000);
    return {
      delivery,
      number,
      ...judge(result, number, target.schedule, Math.random()),
      at,
      durationMs,
      outcome,
      statusCode: result?.statusCode ?? null,
      error: result ? (result.error ?? null) : 'the hub could not send',
      response: result?.responseSnippet ?? null,
      disclosure: result?.sent ? disclosureOf(target, delivery.event) : undefined,
    };
  }

  private post(
    { id, address: url, keys, payloadMode, access, contentType, headers: own, timeoutMs }: Target,
    { event, sequence, replayId }: DueDelivery,
    number: number,
    at: Date,
  ): Promise<SendResult> {
    const body = this.bodies.body(event, access.reach.modeOf(event, payloadMode), id, sequence);
    const timestamp = Math.floor(at.getTime() / 1000);
    const signed = signedHeaders(keys, event.id, timestamp, body);
    const headers: Record<string, string> = {
      ...own,
      'content-type': contentType,
      'user-agent': 'practice-event-hub/1',
      'webhook-id': signed['webhook-id'],
      'webhook-timestamp': signed['webhook-timestamp'],
      'webhook-signature': signed['webhook-signature'],
      'hub-sequence': String(sequence),
      'hub-attempt': String(number),
    };
    if (replayId !== null) headers['hub-replay'] = replayId;
    const keepResponse = this.settings.keepResponses ? 'failed' : undefined;
    return this.client.send({ url, headers, body, timeoutMs, keepResponse });
  }
}
