/*
 * Due work, for many lanes in one read. The lateral subqueries keep every lane on its own stretch of an index whatever
 * the statistics say: on a fresh table a join cost 82 ms a page.
 */

/**
 * Never attempted, in order of their numbers, after what each lane has already read. No index names the status (then
 * no update of a delivery would be HOT), so the scan brings what is settled too: that is little, since it begins at the
 * lane's own mark. The status is looked at by the caller. As a condition here it makes the planner, who knows that
 * hardly any delivery is pending, collect and sort all that lies behind the mark for each page, instead of stopping
 * when the page is full: a backlog of 20,000 behind an analysed history took three times as long.
 *
 * The row without an id says how far the endpoint's numbers went in this statement's snapshot: a page that is not
 * full has seen everything up to there.
 */
export const pendingSql = `
  select lane.endpoint_id, d.id, d.sequence::text, d.event_id, d.practice_id, d.replay_id, d.status
  from unnest($1::uuid[], $2::bigint[], $3::int[]) as lane (endpoint_id, after, size)
  cross join lateral (
    select id, sequence, event_id, practice_id, replay_id, status from deliveries
    where endpoint_id = lane.endpoint_id and sequence > lane.after
    order by sequence limit lane.size
  ) as d
  union all
  select endpoint_id, null, last_sequence::text, null, null, null, null
  from endpoint_counters where endpoint_id = any ($1::uuid[])`;

/**
 * Waiting for another attempt, the earliest first; `due_in_ms` by the database's clock. The delivery's own row has
 * the last word on whether it still waits, and for which attempt.
 */
export const retriesSql = `
  select lane.endpoint_id, r.delivery_id as id, r.sequence::text, r.event_id, r.order_key, r.replay_id,
         d.attempts, d.practice_id, d.status,
         (extract(epoch from r.next_attempt_at - clock_timestamp()) * 1000)::float8 as due_in_ms
  from unnest($1::uuid[], $2::int[]) as lane (endpoint_id, size)
  cross join lateral (
    select * from delivery_retries
    where endpoint_id = lane.endpoint_id
    order by next_attempt_at limit lane.size
  ) as r
  left join lateral (
    select attempts, practice_id, status from deliveries where id = r.delivery_id limit 1
  ) as d on true`;

/** Rows of the queue whose delivery does not wait any more. */
export const forgetRetriesSql = `
  delete from delivery_retries as r
  where r.delivery_id = any ($1::uuid[])
    and not exists (select from deliveries as d where d.id = r.delivery_id and d.status = 'failed')`;

/**
 * Retries that cannot be opened now, out of the way of those behind them. What waits no more, or was asked for anew
 * meanwhile, is left as it is.
 */
export const postponeSql = `
  update delivery_retries set next_attempt_at = clock_timestamp() + make_interval(secs => $2)
  where delivery_id = any ($1::uuid[]) and next_attempt_at <= clock_timestamp()`;

/**
 * The events of a page; each is looked up in the one partition its id names. Everything arrives as text; what is
 * sealed in base64, which is a third shorter than the driver's hexadecimal and read faster.
 */
export const eventsSql = `
  select e.*
  from unnest($1::uuid[]) as wanted (id)
  cross join lateral (
    select e.id, e.type, e.type_version, e.practice_id, e.source, e.subject, e.subject_version,
           to_char(e.time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as time, e.actor,
           e.correlation_id, e.causation_id, e.traceparent, e.generation || '.' || e.xact_id || '.' || e.seq as position,
           e.patient_id, e.account_id, encode(e.sealed, 'base64')
    from events as e where e.id = wanted.id limit 1
  ) as e`;

/**
 * Enabled endpoints of some shards that have anything open, and those named; with the keys that are valid now, and
 * what is remembered of their health.
 */
export const targetsSql = `
  select e.id, e.shard, e.sealed_target, e.payload_mode, e.content_type, e.timeout_seconds, e.max_concurrency,
         e.rate_per_second, e.ordering, e.retry_schedule,
         e.owner, e.sandbox, (select version from endpoint_set_version)::text as set_version,
         coalesce(p.attempted_through, 0)::text as attempted_through, e.enabled_at::text as enabled_at,
         h.failing_since is not null as failing, coalesce(h.probes_failed, 0) as probes_failed,
         (extract(epoch from h.open_until - clock_timestamp()) * 1000)::float8 as open_for_ms, h.probe_asked_at::text,
         (extract(epoch from h.throttled_until - clock_timestamp()) * 1000)::float8 as throttled_for_ms,
         keys.secrets, keys.changes_in_ms,
         exists (select from delivery_followers as f where f.endpoint_id = e.id) as has_followers
  from endpoints as e
  left join endpoint_counters as c on c.endpoint_id = e.id
  left join endpoint_progress as p on p.endpoint_id = e.id
  left join endpoint_health as h on h.endpoint_id = e.id
  cross join lateral (
    select array_agg(sealed order by s.expires_at is not null, s.created_at desc) as secrets,
           (extract(epoch from min(s.expires_at) - clock_timestamp()) * 1000)::float8 as changes_in_ms
    from endpoint_secrets as s
    where s.endpoint_id = e.id and (s.expires_at is null or s.expires_at > clock_timestamp())
  ) as keys
  where e.enabled and e.deleted_at is null
    and (e.id = any ($2::uuid[])
      or e.shard = any ($1::smallint[]) and (
        c.last_sequence > p.attempted_through
        or exists (select from delivery_retries as r where r.endpoint_id = e.id)
        or exists (select from delivery_followers as f where f.endpoint_id = e.id)))`;

export const endpointSetVersionSql = `select version from endpoint_set_version`;

/** What of an endpoint waits for another attempt, a page of $4 after a moment and an id, as the index has it. */
export const waitingRetriesSql = `
  select delivery_id as id, event_id, next_attempt_at::text as after
  from delivery_retries
  where endpoint_id = $1 and (next_attempt_at, delivery_id) > ($2::timestamptz, $3::uuid)
  order by next_attempt_at, delivery_id limit $4`;

/** What of it follows a key that is held up, a page of $4 after a key and a number. */
export const waitingFollowersSql = `
  select delivery_id as id, event_id, order_key as after, sequence::text as nth
  from delivery_followers
  where endpoint_id = $1 and (order_key, sequence) > ($2::text, $3::bigint)
  order by order_key, sequence limit $4`;
