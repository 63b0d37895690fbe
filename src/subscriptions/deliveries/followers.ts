import { setTimeout as delay } from 'node:timers/promises';
import { EnginePool } from '../../database/engine-pool.js';
import { Logger } from '../../platform/logger.js';
import type { DueDelivery } from './delivery.js';
import { lockedMs } from './due-page.js';
import { EventCache } from './event-cache.js';
import type { Hearing } from './hearing.js';
import type { Lane } from './lane.js';
import {
  forgetFollowersSql,
  heldUpSql,
  orphanKeysSql,
  parkSql,
  releaseSql,
} from './sql/followers.js';
import { withholdSql } from './sql/record.js';

/** Followers of one key that are taken out of the table at once, where there is room for them. */
const releasedAtOnce = 50;
/** Of a key that nobody holds up: its first ones, so that each key of many gets on. */
const orphansAtOnce = 2;
/** Keys that are looked at for orphans at once; some of them may be taken. */
const mostKeys = 200;
const retryMs = 250;

interface FollowerRow {
  id: string;
  sequence: string;
  event_id: string;
  order_key: string;
  status: string | null;
  is_due: boolean;
}

/**
 * The deliveries of ordered endpoints that wait for an earlier one, as far as they wait in the table. Whatever is
 * asked and told for one lane happens in turn: a key that goes on finds everybody who was put aside before.
 */
export class Followers {
  constructor(
    private readonly pool: EnginePool,
    private readonly events: EventCache,
    private readonly hearing: Hearing,
    private readonly logger: Logger,
  ) {}

  /**
   * Takes a page of the stream in: decides which of its deliveries may go, and puts aside those whose key is held up.
   * @param generation the lane's when the page was asked for; by another the page is void
   * @param through the page holds everything up to this number
   */
  admit(
    lane: Lane,
    generation: number,
    through: number | undefined,
    deliveries: readonly DueDelivery[],
  ): Promise<void> {
    return lane.inTurn(async () => {
      const keys = [...new Set(deliveries.map(({ orderKey }) => orderKey!))];
      const heldUp = keys.length > 0 ? await this.heldUp(lane, keys) : new Set();
      if (lane.generation !== generation) {
        lane.look(performance.now());
        return;
      }
      lane.readThrough = Math.max(lane.readThrough, through ?? 0);
      const aside: DueDelivery[] = [];
      for (const delivery of deliveries) {
        if (lane.holds(delivery.id)) continue;
        lane.opened(delivery);
        const ordered = delivery as DueDelivery & { orderKey: string };
        const verdict = lane.order.admit(ordered, heldUp.has(ordered.orderKey));
        if (verdict === 'go') lane.enqueue(delivery);
        else if (verdict === 'park') aside.push(delivery);
      }
      if (aside.length > 0) await this.putAside(lane, aside);
    });
  }

  private async heldUp(lane: Lane, keys: readonly string[]): Promise<ReadonlySet<string>> {
    const { rows } = await this.pool.query<{ key: string }>({
      name: 'held-up',
      text: heldUpSql,
      values: [lane.target.id, keys],
    });
    return new Set(rows.map(({ key }) => key));
  }

  /** Puts followers aside whose head has to wait. */
  park(lane: Lane, deliveries: readonly DueDelivery[]): Promise<void> {
    return lane.inTurn(() => this.putAside(lane, deliveries));
  }

  /**
   * What waits in the table for a key whose head has settled: its first one goes now.
   * @param room how many may come with it; the first does in any case
   */
  release(lane: Lane, key: string, room: number): Promise<void> {
    const most = Math.min(releasedAtOnce, Math.max(1, room));
    return lane.inTurn(() => this.releaseAll(lane, key, most));
  }

  /**
   * Lets those go on whom nothing holds up any more and whom nobody would look for: for a lane that begins, or has
   * forgotten its window. The table is the truth, whatever the lane remembers.
   */
  releaseOrphans(lane: Lane, most: number): Promise<void> {
    return lane.inTurn(async () => {
      // As they are now: one that settles while the table is asked is let go on by that.
      const taken = lane.order.takenKeys();
      const { rows } = await this.pool.query<{ key: string }>({
        name: 'orphan-keys',
        text: orphanKeysSql,
        values: [lane.target.id, mostKeys, lane.readThrough, lane.orphansAfter],
      });
      const free = rows.filter(({ key }) => !taken.has(key) && !lane.order.isTaken(key));
      const before = lane.queued;
      lane.orphansAfter = rows.length === mostKeys ? rows.at(-1)!.key : '';
      for (const [i, { key }] of free.entries()) {
        // Of keys that are locked none comes: they must not keep this lane's turn for long.
        if (i >= most || lane.queued - before >= most) {
          // The others when these have made room.
          lane.orphansAfter = i > 0 ? free[i - 1]!.key : '';
          lane.goOnWithOrphans();
          return;
        }
        await this.releaseAll(lane, key, orphansAtOnce);
      }
      if (lane.orphansAfter !== '') lane.goOnWithOrphans();
    });
  }

  private async releaseAll(lane: Lane, key: string, most: number): Promise<void> {
    while (!(await this.releaseSome(lane, key, most)));
  }

  /** @returns whether that was all there is to do; false where rows had to be cleared away first */
  private async releaseSome(lane: Lane, key: string, most: number): Promise<boolean> {
    const generation = lane.generation;
    const { rows } = await this.insist(lane, () =>
      this.pool.query<FollowerRow>({
        name: 'release',
        text: releaseSql,
        values: [lane.target.id, key, most, lane.readThrough],
      }),
    );
    // Nobody's turn after all: the key waits for another attempt, and goes on when that settles.
    if (rows.length === 0 && !lane.order.isTaken(key)) return true;
    // Or somebody's who was let go meanwhile, and whose settling asks again.
    if (lane.order.hasHead(key)) {
      lane.seeksOrphans ||= rows.length > 0;
      return true;
    }
    // They were released before, and are waiting for their turn.
    if (rows.some(({ id }) => lane.holds(id))) return true;
    const inReach = rows.filter((row) => row.is_due);
    const { events, locked } = await this.insist(lane, () =>
      this.events.get(inReach.map((row) => row.event_id)),
    );
    const stop = locked.size > 0 ? inReach.findIndex((row) => locked.has(row.event_id)) : -1;
    if (stop >= 0) lane.stopOrphans(performance.now() + lockedMs);
    if (stop === 0) {
      if (lane.order.hasHead(key)) return true;
      await this.holdUp(lane, key);
      return true;
    }
    const due = stop < 0 ? inReach : inReach.slice(0, stop);
    const gone = due.filter(({ status }) => status !== 'pending').map(({ id }) => id);
    const pending = due.filter(({ status }) => status === 'pending');
    const expired = pending.filter((row) => !events.has(row.event_id)).map(({ id }) => id);
    const found = pending.filter((row) => events.has(row.event_id));
    const lost = found.filter((row) => events.get(row.event_id)!.lost);
    const isBarred = await this.insist(lane, () =>
      this.hearing.barred([{ lane, events: [...events.values()] }]),
    );
    const revoked = found
      .filter((row) => isBarred(lane, events.get(row.event_id)!))
      .map(({ id }) => id);
    await this.insist(lane, async () => {
      if (gone.length > 0) await this.pool.query(forgetFollowersSql, [gone]);
      if (expired.length > 0) await this.pool.query(withholdSql, [expired, 'expired']);
      for (const { id, event_id } of lost) {
        await this.pool.query(withholdSql, [[id], events.get(event_id)!.lost]);
      }
      if (revoked.length > 0) await this.pool.query(withholdSql, [revoked, 'revoked']);
    });
    const followers = due.flatMap((row): DueDelivery[] => {
      const event = events.get(row.event_id);
      const mayGo = event && !event.lost && !isBarred(lane, event);
      if (!mayGo || row.status !== 'pending') return [];
      const { id, order_key: orderKey } = row;
      const sequence = Number(row.sequence);
      return [{ id, from: 'follower', sequence, attempts: 0, event, orderKey, replayId: null }];
    });
    // Its window was forgotten meanwhile: whoever looks for orphans finds them again.
    const taken = lane.generation === generation ? followers : [];
    if (taken.length < rows.length) lane.seeksOrphans = true;
    if (taken.some(({ id }) => lane.holds(id)) || lane.order.hasHead(key)) return true;
    for (const follower of taken) lane.opened(follower);
    const first = lane.order.released(key, taken);
    if (first) lane.enqueue(first);
    return first !== undefined || gone.length + expired.length + lost.length + revoked.length === 0;
  }

  /** The next of the key cannot be opened: it stays where it is, and all of its key with it. */
  private async holdUp(lane: Lane, key: string): Promise<void> {
    const { park, forget } = lane.order.holdUp(key);
    for (const { id } of forget) lane.putAside(id);
    if (park.length > 0) await this.putAside(lane, park);
  }

  private async putAside(lane: Lane, deliveries: readonly DueDelivery[]): Promise<void> {
    await this.insist(lane, () =>
      this.pool.query(parkSql, [
        deliveries.map(({ id }) => id),
        deliveries.map(({ orderKey }) => orderKey),
      ]),
    );
    for (const { id } of deliveries) lane.putAside(id);
  }

  // What is decided in memory has to come true in the table: a key that was put aside halfway would lose its order.
  private async insist<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        // Whoever takes the shard over finds everything as the table has it.
        if (lane.isFinishing) throw error;
        this.logger.warn({ err: error }, 'putting followers in order failed, trying again');
        await delay(retryMs);
      }
    }
  }
}
