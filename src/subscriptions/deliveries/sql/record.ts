/**
 * Records a batch of results in one statement. What it must not do is let a former owner of a shard overwrite what
 * the present one has recorded:
 *
 * - the shards' rows are taken FOR SHARE with owner and epoch, so that a take-over waits for the batch or the batch
 *   finds its epoch gone (a plain subquery on the epoch read the snapshot and let an old owner through);
 * - a delivery must still be open and at the attempt before this one. The update re-reads a row that changed after
 *   the statement's snapshot, so this holds against a rival that recorded meanwhile.
 *
 * The attempt before the last moves to `delivery_attempts`; a first attempt writes one row version and nothing else.
 * An attempt that outran its twin is dropped there (`do nothing`): both are the same attempt, seen twice.
 */
export const recordSql = `
  with fenced as materialized (
    select s.shard
    from delivery_shards as s
    join unnest($2::smallint[], $3::bigint[]) as held (shard, epoch) on s.shard = held.shard
    where s.owner = $1 and s.epoch = held.epoch
    order by s.shard
    for share of s
  ),
  results as materialized (
    select r.*
    from unnest($4::uuid[], $5::smallint[], $6::smallint[], $7::text[], $8::float8[], $9::timestamptz[],
                $10::int[], $11::text[], $12::smallint[], $13::text[])
      as r (id, shard, number, status, retry_in_seconds, at, duration_ms, outcome, status_code, error)
    join fenced on fenced.shard = r.shard
  ),
  earlier as (
    insert into delivery_attempts (delivery_id, number, at, duration_ms, outcome, status_code, error)
    select d.id, d.attempts, d.last_attempt_at, d.last_duration_ms, d.last_outcome, d.last_status_code, d.last_error
    from results as r join deliveries as d on d.id = r.id
    where r.number > 1 and d.attempts = r.number - 1 and d.status in ('pending', 'failed')
    on conflict do nothing
  )
  update deliveries as d
  set status = r.status, attempts = r.number,
      next_attempt_at = clock_timestamp() + make_interval(secs => r.retry_in_seconds),
      last_attempt_at = r.at, last_duration_ms = r.duration_ms, last_outcome = r.outcome,
      last_status_code = r.status_code, last_error = r.error
  from results as r
  where d.id = r.id and d.attempts = r.number - 1 and d.status in ('pending', 'failed')`;

/** What can never be sent, since retention has dropped its event: visible, and out of the way. */
export const withholdSql = `
  update deliveries set status = 'withheld', withheld_reason = 'expired', next_attempt_at = null
  where id = any($1::uuid[]) and status in ('pending', 'failed')`;
