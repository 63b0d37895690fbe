import { EnginePool } from '../../database/engine-pool.js';
import {
  claimSql,
  forgetSilentSql,
  heartbeatSql,
  leaveSql,
  releaseSql,
  renewSql,
} from './sql/shards.js';

export const shardCount = 64;

/** The shard of an endpoint: its id's last byte, which is random. The table computes the same. */
export function shardOf(endpointId: string): number {
  return Number.parseInt(endpointId.slice(-2), 16) % shardCount;
}

interface Renewal {
  gained: number[];
  lost: number[];
  lapsed: boolean;
  surplus: number;
}

interface Row {
  shard: number;
  epoch: string;
}

/**
 * The shards this process may send for. One process sees all of an endpoint, so its limits and its order are exact
 * and need no coordination, and no row is written to claim a delivery.
 */
export class ShardOwner {
  private readonly epochs = new Map<number, string>();
  private readonly retiring = new Set<number>();
  /** Monotonic; counted from before the renewal was sent, so that it ends no later than the lease in the table. */
  private validUntil = 0;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly pool: EnginePool,
    readonly id: string,
    private readonly leaseSeconds: number,
  ) {}

  /** Whether a webhook of this shard may be sent right now. */
  holds(shard: number): boolean {
    return (
      this.epochs.has(shard) && !this.retiring.has(shard) && performance.now() < this.validUntil
    );
  }

  get shards(): number[] {
    return [...this.epochs.keys()];
  }

  epochOf(shard: number): string | undefined {
    return this.epochs.get(shard);
  }

  /**
   * Renews what is owned and takes a fair share of what is free.
   * @returns shards gained; shards lost to another (what is under way for them counts no more); whether the lease had
   *   lapsed, so that signals were passed over; and how many shards newcomers are owed, once nothing is under way.
   */
  renew(): Promise<Renewal> {
    return this.oneAtATime(() => this.renewNow());
  }

  private async renewNow(): Promise<Renewal> {
    const before = performance.now();
    const lease = [this.id, this.leaseSeconds];
    await this.pool.query(forgetSilentSql, [this.id]);
    const heartbeat = await this.pool.query<{ live: number }>(heartbeatSql, lease);
    const renewed = await this.pool.query<Row>(renewSql, lease);
    const share = Math.ceil(shardCount / heartbeat.rows[0]!.live);
    const wanted = share - renewed.rows.length;
    const claimed =
      wanted > 0 ? (await this.pool.query<Row>(claimSql, [...lease, wanted])).rows : [];

    const now = new Map([...renewed.rows, ...claimed].map(({ shard, epoch }) => [shard, epoch]));
    // A new epoch under a shard that was ours: the lease had run out, and somebody may have sent meanwhile.
    const changed = (shard: number) => this.epochs.get(shard) !== now.get(shard);
    const lost = this.shards.filter(changed);
    const gained = [...now.keys()].filter(changed);
    this.epochs.clear();
    for (const [shard, epoch] of now) this.epochs.set(shard, epoch);
    const lapsed = this.validUntil < performance.now();
    this.validUntil = before + this.leaseSeconds * 1000;
    return { gained, lost, lapsed, surplus: Math.max(0, -wanted) };
  }

  /** Chooses shards to give back: nothing is sent for them any more, but results still count. */
  retire(count: number): number[] {
    const shards = this.shards.filter((shard) => !this.retiring.has(shard)).slice(0, count);
    for (const shard of shards) this.retiring.add(shard);
    return shards;
  }

  /** Gives shards back; nothing may be under way for them. */
  async release(shards: readonly number[]): Promise<void> {
    try {
      await this.oneAtATime(async () => {
        for (const shard of shards) this.epochs.delete(shard);
        await this.pool.query(releaseSql, [this.id, shards]);
      });
    } finally {
      for (const shard of shards) this.retiring.delete(shard);
    }
  }

  // A renewal that read a shard before it was released would bring it back.
  private oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.turn.then(work);
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  async leave(): Promise<void> {
    await this.release(this.shards);
    await this.pool.query(leaveSql, [this.id]);
  }
}
