/**
 * Withholds up to $2 pending and $2 failed deliveries of a deleted endpoint. Rows that a batch of results holds at
 * this moment are skipped, because both sides lock several rows, in different orders; a repetition finds them.
 */
export const withholdOpenSql = `
  with pending as materialized (
    select id from deliveries where endpoint_id = $1 and status = 'pending' limit $2 for update skip locked
  ),
  failed as materialized (
    select id from deliveries where endpoint_id = $1 and status = 'failed' limit $2 for update skip locked
  )
  update deliveries
  set status = 'withheld', withheld_reason = 'endpoint_deleted', next_attempt_at = null
  where id = any (array(select id from pending union all select id from failed))`;

/** Deleted endpoints, since $1, that still have something open. */
export const openRemainsSql = `
  select id from endpoints as e
  where deleted_at >= $1
    and (exists (select from deliveries as d where d.endpoint_id = e.id and d.status = 'pending')
      or exists (select from deliveries as d where d.endpoint_id = e.id and d.status = 'failed'))`;
