import type { PoolClient } from 'pg';
import type { EventBatch, ParkedEvent } from './event-bus.js';

/** Thrown when the batch is not the group's next one any more: another consumer was faster. Roll back. */
export class BatchTaken extends Error {}

const moveSql = `
  update consumer_cursors
  set generation = $7, xact_id = $8::xid8, seq = $9, moved_at = now()
  where consumer_group = $1 and bus = $2 and partition = $3
    and (generation, xact_id, seq) = ($4::int, $5::xid8, $6::bigint)`;

const parkSql = `
  insert into parked_events (consumer_group, event_id, generation, xact_id, seq, reason)
  select $1, id, generation, xact_id, seq, reason
  from unnest($2::uuid[], $3::int[], $4::xid8[], $5::bigint[], $6::text[])
    as e (id, generation, xact_id, seq, reason)
  on conflict (consumer_group, event_id) do update set reason = excluded.reason, redrive = false`;

const unparkSql = `delete from parked_events where consumer_group = $1 and event_id = any($2::uuid[])`;

/**
 * Makes the batch this transaction's: compare-and-set of the cursor from `after` to `through`. The row lock it
 * takes keeps rivals waiting, and a consumer that lost its partition while it worked finds the cursor elsewhere.
 * Equality, not "less than": a rival that was ahead would otherwise skip what lies between.
 *
 * What the batch parks is parked in the same transaction: an event is set aside if and only if the cursor has
 * passed it, so none is both handled and parked after a crash between the two.
 * @throws BatchTaken when the cursor stands elsewhere.
 */
export async function claimBatch(client: PoolClient, batch: EventBatch): Promise<void> {
  const { group, bus, partition, after, through, parked = [] } = batch;
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
  if (parked.length > 0) await park(client, group, parked);
}

async function park(client: PoolClient, group: string, parked: ParkedEvent[]): Promise<void> {
  await client.query(parkSql, [
    group,
    parked.map(({ event }) => event.id),
    parked.map(({ event }) => event.position.generation),
    parked.map(({ event }) => event.position.xactId),
    parked.map(({ event }) => event.position.seq),
    parked.map(({ reason }) => reason),
  ]);
}
