/** How many open deliveries of an endpoint are counted at most, so that a backlog of millions costs no more. */
export const mostPendingCounted = 10_000;

/** Position and backlog of some endpoints. Each count walks one partial index and stops at the limit. */
export const endpointStateSql = `
  select wanted.id, coalesce(counter.last_sequence, 0)::text as last_sequence,
         least(pending.count + failed.count, $2::int) as pending
  from unnest($1::uuid[]) as wanted (id)
  left join endpoint_counters as counter on counter.endpoint_id = wanted.id
  cross join lateral (
    select count(*)::int from (
      select from deliveries where endpoint_id = wanted.id and status = 'pending' limit $2::int) as open
  ) as pending
  cross join lateral (
    select count(*)::int from (
      select from deliveries where endpoint_id = wanted.id and status = 'failed' limit $2::int) as open
  ) as failed`;
