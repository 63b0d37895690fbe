import type { Logger } from '../../platform/logger.js';
import { Wakeable } from '../../platform/wakeable.js';
import type { EndpointHealth } from './endpoint-health.js';
import type { Lanes } from './lanes.js';
import type { ShardOwner } from './shard-owner.js';

/** Renews the leases of this process's shards, drops the lanes of those that are lost, and gives newcomers theirs. */
export class ShardKeeper {
  private readonly waker = new Wakeable();
  private keeping?: Promise<void>;
  private givingBack?: Promise<void>;

  constructor(
    private readonly owner: ShardOwner,
    private readonly lanes: Lanes,
    private readonly health: EndpointHealth,
    private readonly leaseSeconds: number,
    private readonly logger: Logger,
    /** Told which shards are to be looked after: signals for them were passed over. */
    private readonly onGained: (shards: ReadonlySet<string> | 'all') => void,
  ) {}

  start(): void {
    this.keeping = this.keep();
  }

  /** Resolves when nothing of it is under way. The leases are kept: results count under them. */
  async stop(): Promise<void> {
    this.waker.stop();
    await this.keeping;
    await this.givingBack;
  }

  private async keep(): Promise<void> {
    while (!this.waker.stopped) {
      try {
        const { gained, lost, lapsed, surplus } = await this.owner.renew();
        if (lost.length > 0) this.lanes.drop(lost);
        if (lapsed) this.onGained('all');
        else if (gained.length > 0) this.onGained(new Set(gained.map(String)));
        if (surplus > 0) this.givingBack ??= this.giveBack(surplus);
      } catch (error) {
        this.logger.warn({ err: error }, 'renewing the shards failed, trying again');
      }
      await this.waker.pause((this.leaseSeconds * 1000) / 3);
    }
  }

  // Newcomers get their share as soon as nothing is under way for it; renewing goes on meanwhile.
  private async giveBack(count: number): Promise<void> {
    try {
      const shards = new Set(this.owner.retire(count));
      const lanes = [...this.lanes.all()].filter(({ target }) => shards.has(target.shard));
      await Promise.all(lanes.map((lane) => lane.finish()));
      // Both only spare the next owner some work.
      await this.lanes.keepMarks(lanes).catch(() => undefined);
      await this.health.drain();
      this.lanes.drop([...shards]);
      await this.owner.release([...shards]);
    } catch (error) {
      this.logger.warn({ err: error }, 'giving shards back failed; the next renewal takes them up');
    } finally {
      this.givingBack = undefined;
    }
  }
}
