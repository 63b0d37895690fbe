import { withheldEntry } from '../../../audit/sql/write.js';

/**
 * Withholds what is open for a deleted endpoint, up to $2 of each kind (never attempted, waiting for another attempt,
 * put aside), and takes it out of the queues. Answers how many rows it dealt with; 0 means that nothing is left but
 * what somebody holds.
 *
 * Rows that a batch of results holds at this moment are skipped, because both sides lock several rows, in different
 * orders; a repetition finds them. The delivery is locked before its place in a queue, as those who record do.
 */
export const withholdOpenSql = `
  with fresh as materialized (
    select id from deliveries
    where endpoint_id = $1 and status = 'pending'
      and sequence > coalesce((select attempted_through from endpoint_progress where endpoint_id = $1), 0)
    order by sequence limit $2 for update skip locked
  ),
  queued as materialized (
    (select delivery_id as id from delivery_retries where endpoint_id = $1 limit $2)
    union all
    (select delivery_id from delivery_followers where endpoint_id = $1 limit $2)
  ),
  waiting as materialized (
    select id from deliveries where id = any (array(select id from queued)) for update skip locked
  ),
  -- Its delivery has passed retention.
  orphaned as (
    select id from queued where not exists (select from deliveries as d where d.id = queued.id)
  ),
  withheld as (
    update deliveries
    set status = 'withheld', withheld_reason = 'endpoint_deleted', next_attempt_at = null
    where id = any (array(select id from fresh union select id from waiting)) and status in ('pending', 'failed')
    returning id
  ),
  ${withheldEntry('withheld', "'endpoint_deleted'")},
  unqueued as (
    delete from delivery_retries
    where delivery_id in (select id from waiting union all select id from orphaned) returning delivery_id
  ),
  unparked as (
    delete from delivery_followers
    where delivery_id in (select id from fresh union all select id from waiting union all select id from orphaned)
    returning delivery_id
  )
  select ((select count(*) from withheld) + (select count(*) from unqueued)
          + (select count(*) from unparked))::int as count`;

/**
 * Moves a deleted endpoint's mark behind what is withheld, so that neither the next batch nor the sweep looks at it
 * again; not beyond a delivery that somebody holds.
 */
export const passWithheldSql = `
  update endpoint_progress as p
  set attempted_through = greatest(attempted_through, coalesce(
    (select sequence - 1 from deliveries
     where endpoint_id = $1 and sequence > p.attempted_through and status = 'pending' order by sequence limit 1),
    (select sequence from deliveries where endpoint_id = $1 order by sequence desc limit 1),
    0))
  where endpoint_id = $1`;

/** Deleted endpoints, since $1, that still have something open. */
export const openRemainsSql = `
  select id, owner from endpoints as e
  where deleted_at >= $1
    and (exists (select from delivery_retries as r where r.endpoint_id = e.id)
      or exists (select from delivery_followers as f where f.endpoint_id = e.id)
      or exists (
        select from deliveries as d
        where d.endpoint_id = e.id and d.status = 'pending'
          and d.sequence > coalesce((select attempted_through from endpoint_progress where endpoint_id = e.id), 0)))`;
