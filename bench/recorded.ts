import { setTimeout as delay } from 'node:timers/promises';
import type { BenchHub } from './bench-hub.js';

const recordedWithinMs = 60_000;
/** Results are recorded nearly in order: what is not recorded yet is among so many of the latest. */
const latestRows = 2000;

export interface Standing {
  sequence: number;
  delivered: number;
  open: number;
}

/** Of some endpoints together. */
export async function standingOf(
  { database }: BenchHub,
  endpointIds: readonly string[],
): Promise<Standing> {
  const { rows } = await database.query(
    `select (select sum(last_sequence)::int from endpoint_counters where endpoint_id = any ($1)) as sequence,
            count(*) filter (where status = 'delivered')::int as delivered,
            count(*) filter (where status in ('pending', 'failed'))::int as open
     from deliveries where endpoint_id = any ($1)`,
    [endpointIds],
  );
  return rows[0];
}

/**
 * The moment when the latest deliveries of some endpoints stand as delivered. Call it when the last webhook has
 * arrived: their results follow within milliseconds, and looking earlier would take the database's time from the hub.
 * It looks at the newest rows alone; the caller counts all of them afterwards.
 */
export async function recorded(
  { database }: BenchHub,
  endpointIds: readonly string[],
): Promise<bigint> {
  const deadline = performance.now() + recordedWithinMs;
  const each = Math.max(20, Math.ceil(latestRows / endpointIds.length));
  while (performance.now() < deadline) {
    const { rows } = await database.query({
      name: 'latest-open',
      text: `
        select exists (
          select from unnest($1::uuid[]) as endpoint (id)
          cross join lateral (
            select status from deliveries where endpoint_id = endpoint.id order by sequence desc limit $2
          ) as latest
          where status <> 'delivered') as open`,
      values: [endpointIds, each],
    });
    if (!rows[0].open) return process.hrtime.bigint();
    await delay(2);
  }
  throw new Error('not everything that arrived was recorded');
}
