import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { EnginePool } from '../../database/engine-pool.js';
import type { Lease } from '../../database/leases.js';
import { mostAttempts } from '../deliveries/deliveries.service.js';
import { heardAmong, readAccess, type OwnerKey } from '../reach/reaches.js';
import { ReplayFinder, type Found, type Selection } from './replay-finder.js';
import {
  addItemsSql,
  fenceSql,
  forgetItemsSql,
  lockCounterSql,
  lockRunningSql,
  numberMissingSql,
  openSql,
  progressSql,
  requeueSql,
  startRunningSql,
  takeItemsSql,
} from './sql/queue.js';

/** How many one replay may be of: half a gigabyte of items. */
export const mostMatched = 5_000_000;
/** How long the search for what is missing may take. */
const mostSearchMs = 600_000;
const insertSize = 2000;
const forgetSize = 5000;

/** Another hub has taken over; whatever was begun is rolled back. */
export class LeaseLost extends Error {}

/** What became of a step: how many were queued, whether nothing is left, or the endpoint is gone. */
export interface Step {
  queued: number;
  end?: 'completed' | 'cancelled';
}

interface Item {
  place: string;
  event_id: string;
  delivery_id: string | null;
}

/** Writes what replays find, and takes it out into the queues of deliveries. */
@Injectable()
export class ReplayQueue {
  /** Up to which place items were taken, by replay; without it the search begins at the first. */
  private readonly takenThrough = new Map<string, string>();

  constructor(
    private readonly pool: EnginePool,
    private readonly finder: ReplayFinder,
  ) {}

  /**
   * Finds everything and notes it down. One that was cut off begins anew: nothing is queued before all is found.
   * @returns how many, and whether there are more than one replay may be of. Ends early where it was cancelled.
   * @throws LeaseLost
   */
  async collect(
    lease: Lease,
    replayId: string,
    selection: Selection,
    signal: AbortSignal,
  ): Promise<{ matched: number; isTooMany: boolean }> {
    let left = forgetSize;
    while (left === forgetSize) {
      left = await this.fenced(lease, async (client) => {
        const { rowCount } = await client.query(forgetItemsSql, [replayId, forgetSize]);
        return rowCount ?? 0;
      });
    }
    let matched = 0;
    for await (const page of this.finder.find(this.pool, selection, { ms: mostSearchMs, signal })) {
      for (let from = 0; from < page.length; from += insertSize) {
        const piece = page.slice(from, from + insertSize);
        if (matched + piece.length > mostMatched) return { matched, isTooMany: true };
        if (!(await this.add(lease, replayId, matched, piece))) {
          return { matched, isTooMany: false };
        }
        matched += piece.length;
      }
    }
    await this.fenced(lease, (client) => client.query(startRunningSql, [replayId]));
    return { matched, isTooMany: false };
  }

  private add(
    lease: Lease,
    replayId: string,
    after: number,
    found: readonly Found[],
  ): Promise<boolean> {
    return this.fenced(lease, async (client) => {
      const { rowCount } = await client.query(addItemsSql, [
        replayId,
        after,
        found.map(({ eventId }) => eventId),
        found.map(({ deliveryId }) => deliveryId),
      ]);
      return rowCount === 1;
    });
  }

  /**
   * Queues up to `most` more, as long as fewer than `mostOpen` wait for the endpoint: one that is down gathers no
   * more than that. An item leaves and its delivery is queued in one transaction, so that no crash doubles a number.
   * @throws LeaseLost
   */
  async step(
    lease: Lease,
    replay: { id: string; endpointId: string; missing: boolean },
    most: number,
    mostOpen: number,
  ): Promise<Step> {
    const room = Math.min(most, mostOpen - (await this.open(replay, mostOpen)));
    if (room <= 0) return { queued: 0 };
    let reached: string | undefined;
    const step = await this.fenced<Step>(lease, async (client) => {
      const { rows } = await client.query(lockRunningSql, [replay.id]);
      if (rows.length === 0) return { queued: 0 };
      const [{ owner, sandbox, enabled, deleted }] = rows;
      if (deleted) return { queued: 0, end: 'cancelled' };
      // What it would queue would only wait, and be in the way of what else is open when the endpoint is enabled.
      if (!enabled) return { queued: 0 };
      const items = await this.take(client, replay.id, room);
      if (items.length === 0) return { queued: 0, end: 'completed' };
      reached = items.at(-1)!.place;
      const heard = await heardOf(client, { owner, sandbox }, items);
      const queued =
        (await requeue(client, replay.id, heard)) + (await number(client, replay, heard));
      await client.query(progressSql, [replay.id, queued]);
      return { queued };
    });
    if (reached !== undefined) this.takenThrough.set(replay.id, reached);
    if (step.end) this.takenThrough.delete(replay.id);
    return step;
  }

  private async take(client: PoolClient, replayId: string, most: number): Promise<Item[]> {
    const after = this.takenThrough.get(replayId) ?? '0';
    const { rows } = await client.query<Item>(takeItemsSql, [replayId, after, most]);
    return rows.sort((a, b) => Number(a.place) - Number(b.place));
  }

  private async open(
    { id, endpointId, missing }: { id: string; endpointId: string; missing: boolean },
    most: number,
  ): Promise<number> {
    const { rows } = await this.pool.query(openSql, [id, endpointId, most]);
    const { retries, unattempted } = rows[0];
    // New numbers come behind those of live events; a backlog of these is waited for.
    return retries + (missing ? (unattempted ?? 0) : 0);
  }

  private fenced<T>(
    { name, holder, epoch }: Lease,
    work: (client: PoolClient) => Promise<T>,
  ): Promise<T> {
    return this.pool.transaction(async (client) => {
      const { rowCount } = await client.query(fenceSql, [name, holder, epoch]);
      if (rowCount === 0) throw new LeaseLost();
      return work(client);
    });
  }
}

/** What of it the endpoint may hear of now: it may have lost something since it was found. */
async function heardOf(
  client: PoolClient,
  owner: OwnerKey,
  items: readonly Item[],
): Promise<readonly Item[]> {
  if (owner.owner === 'operator') return items;
  const reach = (await readAccess(client, [owner])).of(owner);
  const ids = items.map(({ event_id }) => event_id);
  const heard = await heardAmong(client, reach, ids);
  return items.filter(({ event_id }) => heard.has(event_id));
}

async function requeue(
  client: PoolClient,
  replayId: string,
  items: readonly Item[],
): Promise<number> {
  const ids = items.flatMap(({ delivery_id }) => delivery_id ?? []);
  if (ids.length === 0) return 0;
  const { rowCount } = await client.query(requeueSql, [ids, replayId, mostAttempts]);
  return rowCount ?? 0;
}

async function number(
  client: PoolClient,
  replay: { id: string; endpointId: string },
  items: readonly Item[],
): Promise<number> {
  const ids = items.flatMap(({ delivery_id, event_id }) => (delivery_id === null ? event_id : []));
  if (ids.length === 0) return 0;
  const { endpointId } = replay;
  const [counter] = (await client.query(lockCounterSql, [endpointId])).rows;
  if (!counter) return 0;
  const values = [endpointId, ids, counter.last_sequence, replay.id];
  const { rows } = await client.query<{ made: number }>(numberMissingSql, values);
  return rows[0]!.made;
}
