import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';

/** What the hub counts, in the Prometheus text format at /metrics. Labels are kinds and codes, never ids. */
export class Metrics {
  private readonly registry = new Registry();

  readonly deliveriesMade = new Counter({
    name: 'hub_deliveries_made_total',
    help: 'Deliveries written by fan-out',
    registers: [this.registry],
  });

  readonly webhookAttempts = new Counter({
    name: 'hub_webhook_attempts_total',
    help: 'Attempts to deliver a webhook',
    labelNames: ['outcome'],
    registers: [this.registry],
  });

  readonly webhookSeconds = new Histogram({
    name: 'hub_webhook_attempt_seconds',
    help: 'Duration of an attempt, from connecting to the end of the answer',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [this.registry],
  });

  readonly requests = new Counter({
    name: 'hub_http_requests_total',
    help: 'Requests answered, by class of status',
    labelNames: ['method', 'status'],
    registers: [this.registry],
  });

  private readonly attemptsByOutcome = new Map<string, Counter.Internal>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** One attempt to deliver. Hot: the counter of each outcome is looked up once. */
  attempt(outcome: string, seconds: number): void {
    let counter = this.attemptsByOutcome.get(outcome);
    if (!counter)
      this.attemptsByOutcome.set(outcome, (counter = this.webhookAttempts.labels(outcome)));
    counter.inc();
    this.webhookSeconds.observe(seconds);
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
}
