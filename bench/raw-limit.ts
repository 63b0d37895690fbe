import { v7 as uuidv7 } from 'uuid';
import { cpuOf, cpuPer, type CpuTimes } from './cpu.js';
import { chargeWebhook } from './facts.js';
import { mean } from './figures.js';
import type { RawReport } from './raw.js';
import type { Stage } from './stage.js';

const rawWithinMs = 60_000;

/** The raw limit, measured again and again: whatever else the machine does, it does to both sides of a ratio. */
export class RawLimit {
  readonly rates: number[] = [];
  readonly webhookBytes: number;
  /** Microseconds a POST, of the latest. */
  cpu: CpuTimes = {};
  private readonly body = chargeWebhook();
  private readonly ids = Array.from({ length: 1000 }, () => uuidv7());
  private latest?: number;

  constructor(
    private readonly stage: Stage,
    private readonly seconds: number,
  ) {
    this.webhookBytes = Buffer.byteLength(this.body);
  }

  /** What was just measured still counts for what comes next. Call it when something else went on meanwhile. */
  forget(): void {
    this.latest = undefined;
  }

  /** A rate and its part of the raw limit just before and just after it. */
  async compare<T extends { perSecond: number }>(
    measure: () => Promise<T>,
  ): Promise<T & { ofRaw: number }> {
    const before = this.latest ?? (await this.measure());
    const result = await measure();
    const after = await this.measure();
    return { ...result, ofRaw: result.perSecond / mean([before, after]) };
  }

  private async measure(): Promise<number> {
    const { origin, raw, receiver } = this.stage;
    const processes = { sender: raw.pid, receiver: receiver.pid };
    const before = await cpuOf(processes);
    raw.order({ origin, body: this.body, ids: this.ids, seconds: this.seconds });
    const { perSecond, posted } = await raw.report(
      (report): report is RawReport => 'perSecond' in report,
      rawWithinMs,
    );
    this.cpu = cpuPer(posted, before, await cpuOf(processes));
    this.rates.push(perSecond);
    this.latest = perSecond;
    return perSecond;
  }
}
