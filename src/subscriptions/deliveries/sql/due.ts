/*
 * Due work, for many lanes in one read. The lateral subqueries keep every lane on its own partial index whatever
 * the statistics say: on a fresh table a join cost 82 ms a page.
 */

/** Never attempted, in order of their numbers, after what each lane has already read. */
export const pendingSql = `
  select lane.endpoint_id, d.id, d.sequence::text, d.event_id, d.attempts
  from unnest($1::uuid[], $2::bigint[], $3::int[]) as lane (endpoint_id, after, size)
  cross join lateral (
    select id, sequence, event_id, attempts from deliveries
    where endpoint_id = lane.endpoint_id and status = 'pending' and sequence > lane.after
    order by sequence limit lane.size
  ) as d`;

/** Waiting for another attempt, the earliest first; `due_in_ms` by the database's clock. */
export const retriesSql = `
  select lane.endpoint_id, d.id, d.sequence::text, d.event_id, d.attempts,
         (extract(epoch from d.next_attempt_at - clock_timestamp()) * 1000)::float8 as due_in_ms
  from unnest($1::uuid[], $2::int[]) as lane (endpoint_id, size)
  cross join lateral (
    select id, sequence, event_id, attempts, next_attempt_at from deliveries
    where endpoint_id = lane.endpoint_id and status = 'failed'
    order by next_attempt_at limit lane.size
  ) as d`;

/**
 * The events of a page; each is looked up in the one partition its id names. Columns are named because `e.*` would
 * bring position columns twice, and what arrives is parsed row by row.
 */
export const eventsSql = `
  select e.*
  from unnest($1::uuid[]) as wanted (id)
  cross join lateral (
    select e.id, e.type, e.type_version, e.practice_id, e.source, e.subject, e.subject_version, e.time, e.actor,
           e.correlation_id, e.causation_id, e.traceparent, e.data,
           e.generation, e.xact_id::text as xact_id, e.seq::text as seq
    from events as e where e.id = wanted.id limit 1
  ) as e`;

/** Enabled endpoints of some shards that have anything open, and those named. */
export const targetsSql = `
  select e.id, e.shard, e.url, e.payload_mode,
         (select secret from endpoint_secrets as s
          where s.endpoint_id = e.id and s.expires_at is null and s.kind = 'hmac') as secret
  from endpoints as e
  where e.enabled and e.deleted_at is null
    and (e.id = any($2::uuid[])
      or e.shard = any($1::smallint[]) and (
        exists (select from deliveries as d where d.endpoint_id = e.id and d.status = 'pending')
        or exists (select from deliveries as d where d.endpoint_id = e.id and d.status = 'failed')))`;

export const endpointSetVersionSql = `select version from endpoint_set_version`;
