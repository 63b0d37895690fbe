import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import type { BenchHub } from './bench-hub.js';
import { cpuOf, cpuPer, type CpuTimes } from './cpu.js';
import { percentile } from './figures.js';
import { prepareBurst, type Booked } from './reminder-rows.js';
import type { Stage } from './stage.js';

const warmUpMs = 2000;
const finishedWithinMs = 300_000;

export interface RemindersResult {
  reminders: number;
  practices: number;
  /** From the moment when all of them are due until the last event is in the log. */
  seconds: number;
  /** Payments meanwhile, one by one, each at another of these practices; milliseconds. */
  live: { samples: number; answer: Latency; arrival: Latency };
  /**
   * Microseconds of processor time for each reminder, the live facts and the way of all these events to fan-out
   * included. Unlike the seconds it says something on a machine with other work.
   */
  cpu: CpuTimes;
  /** Processes that wanted to run, on average of the last minute. */
  load: number;
}

export interface Latency {
  p50: number;
  p99: number;
  most: number;
}

/**
 * Appointments of many practices that all begin at one moment, each with a reminder half an hour before: how long
 * a running hub takes to say all of them, and what somebody who writes to these practices notices meanwhile, from
 * before a call is sent to its answer and to the arrival of its webhook.
 */
export async function measureReminders(
  stage: Stage,
  hub: BenchHub,
  { reminders = 100_000, practices = 1000 } = {},
): Promise<RemindersResult> {
  const endpointIds = await hub.listen([`${stage.origin}/watched`], 'payment.posted');
  const said = await saidSoFar(hub);
  const perPractice = Math.ceil(reminders / practices);
  const count = perPractice * practices;
  const burst = await prepareBurst(hub.database, practices, perPractice);
  const dueAt = performance.now() + burst.dueInMs;
  const arrived = new Map<string, bigint>();
  const off = stage.receiver.on((report) => {
    if (report.kind === 'arrived') arrived.set(entryIn(report.body), BigInt(report.at));
  });
  const payer = new Payer(hub, burst.patients);
  try {
    await delay(dueAt - performance.now() - warmUpMs);
    // Code that has run for a while runs several times as fast as at first.
    while (performance.now() < dueAt) await payer.pay();
    const before = await cpuOf(stage.processes(hub));
    const burstEnd: { seconds?: number } = {};
    const failure = allSaid(hub, said + count).then((at) => {
      burstEnd.seconds = (at - dueAt) / 1000;
      return new Promise<never>(() => undefined);
    });
    // It may come while nobody waits for it.
    failure.catch(() => undefined);
    const paid: Paid[] = [];
    while (burstEnd.seconds === undefined) {
      paid.push(await Promise.race([payer.pay(), failure]));
      // Never in step with a timer of the hub's.
      await delay(20 + Math.random() * 30);
    }
    const after = await cpuOf(stage.processes(hub));
    const load = loadavg()[0]!;
    await until(() => paid.every(({ entryId }) => arrived.has(entryId)), 'a webhook');
    return {
      reminders: count,
      practices,
      seconds: burstEnd.seconds,
      live: {
        samples: paid.length,
        answer: latencyOf(paid.map(({ answered, start }) => answered - start)),
        arrival: latencyOf(paid.map(({ entryId, start }) => arrived.get(entryId)! - start)),
      },
      cpu: cpuPer(count, before, after),
      load,
    };
  } finally {
    off();
    await payer.stop();
    await hub.unlisten(endpointIds);
  }
}

interface Paid {
  entryId: string;
  start: bigint;
  answered: bigint;
}

/** Posts payments, each at the next practice. */
class Payer {
  private readonly pool: Pool;
  private turn = 0;

  constructor(
    private readonly hub: BenchHub,
    private readonly patients: readonly Booked[],
  ) {
    this.pool = new Pool(hub.url, { connections: 1 });
  }

  async pay(): Promise<Paid> {
    const { practiceId, patientId } = this.patients[this.turn++ % this.patients.length]!;
    const start = process.hrtime.bigint();
    const response = await this.pool.request({
      path: `/v1/practices/${practiceId}/payments`,
      method: 'POST',
      headers: { authorization: `Bearer ${this.hub.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        patientId,
        amount: 12_500,
        currency: 'USD',
        method: 'card',
        payer: { type: 'patient' },
      }),
    });
    const { id } = (await response.body.json()) as { id: string };
    const answered = process.hrtime.bigint();
    if (response.statusCode !== 201) throw new Error(`a payment: ${response.statusCode}`);
    return { entryId: id, start, answered };
  }

  stop(): Promise<void> {
    return this.pool.close();
  }
}

/** When nothing waits any more; then the log must hold as many. */
async function allSaid(hub: BenchHub, count: number): Promise<number> {
  await until(async () => {
    const { rows } = await hub.database.query<{ waiting: boolean }>({
      name: 'reminders-waiting',
      text: `select exists (select from appointment_reminders where status = 'pending' and due_at <= now()) as waiting`,
    });
    return !rows[0]!.waiting;
  }, 'a reminder');
  const at = performance.now();
  const said = await saidSoFar(hub);
  if (said !== count) throw new Error(`${said} reminders said of ${count}`);
  return at;
}

async function saidSoFar({ database }: BenchHub): Promise<number> {
  const { rows } = await database.query<{ said: number }>(
    `select count(*)::int as said from events where type = 'appointment.reminder_due'`,
  );
  return rows[0]!.said;
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + finishedWithinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come in time`);
    await delay(50);
  }
}

function entryIn(webhook: string): string {
  return JSON.parse(webhook).data.entryId;
}

function latencyOf(nanoseconds: readonly bigint[]): Latency {
  const ms = nanoseconds.map((each) => Number(each) / 1e6);
  return { p50: percentile(ms, 50), p99: percentile(ms, 99), most: Math.max(...ms) };
}
