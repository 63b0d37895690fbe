import type { DueDelivery } from './delivery.js';

/** Of so many sends one is a retry where any is due: first attempts come first, but not for ever. */
const retryTurn = 10;

/** What may go as soon as its endpoint may have another one: first attempts before retries, each in order. */
export class DueQueue {
  private fresh: DueDelivery[] = [];
  private retries: DueDelivery[] = [];
  private sinceRetry = 0;

  get size(): number {
    return this.fresh.length + this.retries.length;
  }

  push(delivery: DueDelivery): void {
    (delivery.from === 'retry' ? this.retries : this.fresh).push(delivery);
  }

  /** The next one is a retry, if there is any. */
  retryNext(): void {
    this.sinceRetry = retryTurn;
  }

  next(): DueDelivery | undefined {
    const retryFirst = this.fresh.length === 0 || this.sinceRetry >= retryTurn;
    const delivery = retryFirst ? (this.retries.shift() ?? this.fresh.shift()) : this.fresh.shift();
    this.sinceRetry = delivery?.from === 'retry' ? 0 : this.sinceRetry + 1;
    return delivery;
  }

  /** @returns all that was in it */
  empty(): DueDelivery[] {
    const all = [...this.fresh, ...this.retries];
    this.fresh = [];
    this.retries = [];
    return all;
  }
}
