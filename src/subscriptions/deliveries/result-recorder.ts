import { EnginePool } from '../../database/engine-pool.js';
import { Logger } from '../../platform/logger.js';
import type { AttemptResult } from './delivery.js';
import type { Lane } from './lane.js';
import type { ShardOwner } from './shard-owner.js';
import { recordSql } from './sql/record.js';

const mostAtOnce = 1000;
const retryMs = 250;

interface LaneResult {
  lane: Lane;
  result: AttemptResult;
}

/**
 * Writes results in batches, one batch at a time: what comes in while one is written makes up the next, so that
 * batches grow with the load and an idle hub records at once.
 */
export class ResultRecorder {
  private readonly waiting: LaneResult[] = [];
  private writing?: Promise<void>;

  constructor(
    private readonly pool: EnginePool,
    private readonly owner: ShardOwner,
    private readonly logger: Logger,
    /** Told when a result is in the table, or void because the shard has gone to another. */
    private readonly onSettled: (lane: Lane, result: AttemptResult) => void,
  ) {}

  /** How many results are not in the table yet. */
  get backlog(): number {
    return this.waiting.length;
  }

  add(lane: Lane, result: AttemptResult): void {
    this.waiting.push({ lane, result });
    this.writing ??= this.writeAll();
  }

  /** Resolves when everything added so far is settled. */
  async drain(): Promise<void> {
    await this.writing;
  }

  private async writeAll(): Promise<void> {
    // The first result of a quiet moment takes along those that arrive in the same turn.
    await new Promise(setImmediate);
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, mostAtOnce);
      await this.write(batch);
      for (const { lane, result } of batch) this.onSettled(lane, result);
    }
    this.writing = undefined;
  }

  private async write(batch: readonly LaneResult[]): Promise<void> {
    for (;;) {
      // The webhooks are out. As long as the shards are ours nobody else sends them, so it pays to insist; once
      // another owns a shard its results are void.
      const ours = batch.filter(({ lane }) => this.owner.epochOf(lane.target.shard) === lane.epoch);
      if (ours.length === 0) return;
      try {
        await this.pool.query({ name: 'record', text: recordSql, values: this.columns(ours) });
        return;
      } catch (error) {
        this.logger.warn({ err: error, results: ours.length }, 'recording failed, trying again');
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  private columns(batch: readonly LaneResult[]): unknown[] {
    const epochs = new Map(batch.map(({ lane }) => [lane.target.shard, lane.epoch]));
    const results = batch.map(({ result }) => result);
    return [
      this.owner.id,
      [...epochs.keys()],
      [...epochs.values()],
      results.map(({ deliveryId }) => deliveryId),
      batch.map(({ lane }) => lane.target.shard),
      results.map(({ number }) => number),
      results.map(({ status }) => status),
      results.map(({ retryInSeconds }) => retryInSeconds),
      results.map(({ at }) => at),
      results.map(({ durationMs }) => Math.round(durationMs)),
      results.map(({ outcome }) => outcome),
      results.map(({ statusCode }) => statusCode),
      results.map(({ error }) => error),
    ];
  }
}
