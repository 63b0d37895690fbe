import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { percentile } from './figures.js';
import type { BenchHub } from './bench-hub.js';
import type { Stage } from './stage.js';

/** Code that has run a few thousand times runs several times as fast as at first; a hub that is idle is not a new one. */
const warmUp = 2000;
const arrivedWithinMs = 10_000;

export interface IdleResult {
  samples: number;
  /** Milliseconds from before the request is sent to the webhook's last byte at the receiver. */
  arrival: { p50: number; p99: number; most: number };
  /** Milliseconds to the answer of the REST call, which is the fact's commit. */
  answer: { p50: number; p99: number };
}

/**
 * What a partner notices when nothing else happens: posts one payment at a time and waits for its webhook. Both ends
 * read the machine's one monotonic clock, the sender before the request and the receiver when it has the whole body.
 */
export async function measureIdle(
  { receiver, origin }: Stage,
  hub: BenchHub,
  samples: number,
): Promise<IdleResult> {
  const below = `/v1/practices/${hub.practiceIds[0]}`;
  const patient = { kind: 'human', givenName: 'Ada', familyName: 'Byrne' };
  const { id: patientId } = await hub.post(`${below}/patients`, patient);
  const payment = {
    patientId,
    amount: 12_500,
    currency: 'USD',
    method: 'card',
    payer: { type: 'patient' },
  };
  const endpointIds = await hub.listen([`${origin}/watched`], 'payment.posted');
  const pool = new Pool(hub.url, { connections: 1 });
  const arrivals = new Arrivals();
  const off = receiver.on((report) => {
    if (report.kind === 'arrived') arrivals.add(report.body, report.at);
  });
  const arrival: number[] = [];
  const answer: number[] = [];
  try {
    for (let i = -warmUp; i < samples; i += 1) {
      // Never in step with a timer of the hub's. Warming up takes no pauses.
      if (i >= -20) await delay(20 + Math.random() * 30);
      const start = process.hrtime.bigint();
      const response = await pool.request({
        path: `${below}/payments`,
        method: 'POST',
        headers: { authorization: `Bearer ${hub.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(payment),
      });
      const entry = (await response.body.json()) as { id: string };
      const answered = process.hrtime.bigint();
      if (response.statusCode !== 201) throw new Error(`a payment: ${response.statusCode}`);
      const arrived = await arrivals.of(entry.id);
      if (i < 0) continue;
      answer.push(Number(answered - start) / 1e6);
      arrival.push(Number(arrived - start) / 1e6);
    }
  } finally {
    off();
    await pool.close();
    await hub.unlisten(endpointIds);
  }
  return {
    samples,
    arrival: {
      p50: percentile(arrival, 50),
      p99: percentile(arrival, 99),
      most: Math.max(...arrival),
    },
    answer: { p50: percentile(answer, 50), p99: percentile(answer, 99) },
  };
}

/** When the webhook of each entry arrived; it may do so before the call that made the entry is answered. */
class Arrivals {
  private readonly at = new Map<string, bigint>();
  private readonly waiting = new Map<string, (at: bigint) => void>();

  add(body: string, at: string): void {
    const { entryId } = JSON.parse(body).data;
    this.at.set(entryId, BigInt(at));
    this.waiting.get(entryId)?.(BigInt(at));
  }

  of(entryId: string): Promise<bigint> {
    return new Promise((resolve, reject) => {
      const at = this.at.get(entryId);
      if (at !== undefined) return resolve(at);
      const late = new Error(`a webhook did not arrive in ${arrivedWithinMs / 1000} s`);
      const timer = setTimeout(() => reject(late), arrivedWithinMs);
      this.waiting.set(entryId, (arrivedAt) => {
        clearTimeout(timer);
        resolve(arrivedAt);
      });
    });
  }
}
