import type { PoolClient } from 'pg';
import type { EventBatch } from './event-bus.js';

/** Thrown when the batch is not the group's next one any more: another consumer was faster. Roll back. */
export class BatchTaken extends Error {}

const moveSql = `
  update consumer_cursors
  set generation = $7, xact_id = $8::xid8, seq = $9, moved_at = now()
  where consumer_group = $1 and bus = $2 and partition = $3
    and (generation, xact_id, seq) = ($4::int, $5::xid8, $6::bigint)`;

const unparkSql = `delete from parked_events where consumer_group = $1 and event_id = any($2::uuid[])`;

/**
 * Makes the batch this transaction's: compare-and-set of the cursor from `after` to `through`. The row lock it
 * takes keeps rivals waiting, and a consumer that lost its partition while it worked finds the cursor elsewhere.
 * Equality, not "less than": a rival that was ahead would otherwise skip what lies between.
 * @throws BatchTaken when the cursor stands elsewhere.
 */
export async function claimBatch(client: PoolClient, batch: EventBatch): Promise<void> {
  const { group, bus, partition, after, through } = batch;
  const { rowCount } = batch.redriven
    ? await client.query(unparkSql, [group, batch.events.map(({ id }) => id)])
    : await client.query({
        name: 'cursor-move',
        text: moveSql,
        values: [
          group,
          bus,
          partition,
          after.generation,
          after.xactId,
          after.seq,
          through.generation,
          through.xactId,
          through.seq,
        ],
      });
  if (rowCount === 0) throw new BatchTaken(`${group}/${bus}/${partition}`);
}
