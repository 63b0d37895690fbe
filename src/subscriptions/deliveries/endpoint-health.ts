import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Signals } from '../../database/signals.js';
import { EngineTransactions } from '../../database/engine-transactions.js';
import { lockPractices, type EventTx } from '../../database/transactions.js';
import { Logger } from '../../platform/logger.js';
import { Settings } from '../../platform/settings.js';
import {
  type AnyEndpointEvent,
  endpointKey,
  EndpointEvents,
} from '../endpoints/endpoint-events.js';
import { raiseSetVersionSql } from '../endpoints/sql/endpoint-set.js';
import type { Lane } from './lane.js';
import type { HealthChange } from './receiver-state.js';
import { shardOf } from './shard-owner.js';
import { disableSql, forgetHealthSql, keepHealthSql, lockHealthSql } from './sql/health.js';

/** Failures of an endpoint are written about once a second, however many there are. */
const coalesceMs = 1000;
const mostAtOnce = 100;

interface HealthRow {
  id: string;
  enabled: boolean;
  failing: boolean;
  is_open: boolean;
  /** It has had nothing but failures for days. */
  hopeless: boolean;
}

/**
 * Keeps how endpoints fare, so that a take-over goes on where the former owner was; disables those that say they are
 * gone or that have failed for days; and tells their owner. The lanes decide, this writes it down.
 */
@Injectable()
export class EndpointHealth {
  private readonly noted = new Map<string, { lane: Lane; isGone: boolean }>();
  private timer?: NodeJS.Timeout;
  private writing?: Promise<void>;

  constructor(
    private readonly transactions: EngineTransactions,
    private readonly events: EndpointEvents,
    private readonly signals: Signals,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {}

  note(lane: Lane, changes: readonly HealthChange[]): void {
    const isGone = changes.includes('gone') || (this.noted.get(lane.target.id)?.isGone ?? false);
    this.noted.set(lane.target.id, { lane, isGone });
    const isUrgent = isGone || changes.includes('opened') || changes.includes('recovered');
    this.writeIn(isUrgent ? 0 : coalesceMs);
  }

  /** Writes what is left. Never rejects: what fails is seen again at the next failure. */
  async drain(): Promise<void> {
    await this.writing;
    await this.write();
  }

  private writeIn(ms: number): void {
    if (this.writing || (this.timer && ms > 0)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.write(), ms).unref();
  }

  private async write(): Promise<void> {
    this.timer = undefined;
    this.writing ??= this.writeAll().finally(() => (this.writing = undefined));
    await this.writing;
    if (this.noted.size > 0) this.writeIn(coalesceMs);
  }

  private async writeAll(): Promise<void> {
    // What is noted meanwhile waits for the next time.
    const ids = [...this.noted.keys()];
    for (let from = 0; from < ids.length; from += mostAtOnce) {
      // The newest note of each, as it is when its turn comes.
      const batch = ids.slice(from, from + mostAtOnce).flatMap((id) => {
        const note = this.noted.get(id);
        return note ? [[id, note] as const] : [];
      });
      for (const [id] of batch) this.noted.delete(id);
      try {
        const keys = batch.map(([id]) => endpointKey(id));
        const disabled = await this.transactions.run(async (tx) => {
          await lockPractices(tx, keys);
          return this.keep(tx, new Map(batch));
        });
        if (disabled.length > 0) {
          this.signals.emit(
            'deliveries',
            disabled.map((id) => String(shardOf(id))),
          );
        }
      } catch (error) {
        this.logger.warn({ err: error }, 'the health of endpoints was not kept, trying again');
        for (const [id, note] of batch) if (!this.noted.has(id)) this.noted.set(id, note);
        return;
      }
    }
  }

  private async keep(
    tx: EventTx,
    batch: ReadonlyMap<string, { lane: Lane; isGone: boolean }>,
  ): Promise<string[]> {
    const rows = await tx.query<HealthRow[]>(lockHealthSql, [
      [...batch.keys()],
      this.settings.failureDays,
    ]);
    const now = performance.now();
    const well: string[] = [];
    const columns: unknown[][] = [[], [], [], [], [], []];
    const events: AnyEndpointEvent[] = [];
    const disabled: string[] = [];
    for (const row of rows) {
      const { lane, isGone } = batch.get(row.id)!;
      if (lane.isVoid) continue;
      const { breaker, failing, lastError, throttledUntil } = lane.receiver;
      const about = { endpointId: row.id, data: { lastError } };
      const throttledMs = Math.max(0, throttledUntil - now);
      if (failing || throttledMs > 0) {
        // While a probe is under way nobody knows how long; whoever takes over probes anew.
        const waitMs = breaker.waitMs(now);
        const openSeconds = breaker.isOpen ? (waitMs === Infinity ? 0 : waitMs) / 1000 : null;
        const throttledSeconds = throttledMs > 0 ? throttledMs / 1000 : null;
        [row.id, failing, openSeconds, breaker.probesFailed, throttledSeconds, lastError].forEach(
          (value, column) => columns[column]!.push(value),
        );
      } else {
        well.push(row.id);
      }
      if (breaker.isOpen && !row.is_open) events.push({ ...about, type: 'endpoint.failing' });
      if (!breaker.isOpen && row.is_open) events.push({ ...about, type: 'endpoint.recovered' });
      const reason = isGone ? 'gone' : failing && row.hopeless ? 'failing' : undefined;
      if (reason === undefined || !row.enabled) continue;
      await tx.query(disableSql, [row.id, reason]);
      events.push({ ...about, type: 'endpoint.disabled', data: { lastError, reason } });
      disabled.push(row.id);
    }
    if (well.length > 0) await tx.query(forgetHealthSql, [well]);
    if (columns[0]!.length > 0) await tx.query(keepHealthSql, columns);
    const cause = { actor: 'system/deliveries', correlationId: randomUUID() };
    await this.events.append(tx, cause, events);
    if (disabled.length > 0) await tx.query(raiseSetVersionSql);
    return disabled;
  }
}
