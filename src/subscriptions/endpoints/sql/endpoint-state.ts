/** How many open deliveries of an endpoint are counted at most, so that a backlog of millions costs no more. */
export const mostPendingCounted = 10_000;

/**
 * Position, health and backlog of some endpoints. Open is what was never attempted, found behind the mark of what was;
 * what waits for another attempt; and what was put aside before the mark because its key is held up. Each count walks
 * a stretch of one index and stops at the limit.
 */
export const endpointStateSql = `
  select wanted.id, coalesce(counter.last_sequence, 0)::text as last_sequence,
         health.open_until is not null as is_failing,
         case when health.open_until > clock_timestamp() or health.throttled_until > clock_timestamp()
              then greatest(health.open_until, health.throttled_until) end as paused_until,
         least(fresh.count + retries.count + followers.count, $2::int) as pending
  from unnest($1::uuid[]) as wanted (id)
  left join endpoint_counters as counter on counter.endpoint_id = wanted.id
  left join endpoint_health as health on health.endpoint_id = wanted.id
  left join lateral (
    select coalesce(max(attempted_through), 0) as through from endpoint_progress where endpoint_id = wanted.id
  ) as mark on true
  cross join lateral (
    select count(*)::int from (
      select from deliveries
      where endpoint_id = wanted.id and sequence > mark.through and status = 'pending' limit $2::int) as open
  ) as fresh
  cross join lateral (
    select count(*)::int from (
      select from delivery_retries where endpoint_id = wanted.id limit $2::int) as open
  ) as retries
  cross join lateral (
    select count(*)::int from (
      select from delivery_followers
      where endpoint_id = wanted.id and sequence <= mark.through limit $2::int) as open
  ) as followers`;
