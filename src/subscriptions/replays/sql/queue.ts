import { isErased } from '../../../events/log/sql/erased.js';

/*
 * What a replay writes. Each transaction begins with the lease: a take-over waits for it, or it finds the lease gone
 * and writes nothing. So two hubs never work for the same replay, also when one was only slow.
 */

export const fenceSql = `
  select from leases where name = $1 and holder = $2 and epoch = $3 for share`;

/** Those of a disabled endpoint wait until it is enabled, and must not take the place of others. */
export const openReplaysSql = `
  select r.id, r.endpoint_id, r.state, r.request, r.missing, r.rate_per_second, r.correlation_id, r.created_at
  from replays as r join endpoints as e on e.id = r.endpoint_id
  where r.state in ('collecting', 'running')
    and (r.state = 'collecting' or e.enabled or e.deleted_at is not null)
  order by r.id limit $1`;

/** What a collection that was cut off has found: the next one begins anew. */
export const forgetItemsSql = `
  delete from replay_items
  where ctid = any (array(select ctid from replay_items where replay_id = $1 limit $2))`;

/** A page of what was found; no row where the replay was cancelled meanwhile. */
export const addItemsSql = `
  with replay as (
    update replays set matched = $2::int + cardinality($3::uuid[]), version = version + 1, updated_at = clock_timestamp()
    where id = $1 and state = 'collecting'
    returning id, matched
  ),
  items as (
    insert into replay_items (replay_id, place, event_id, delivery_id)
    select replay.id, $2::bigint + item.nth, item.event_id, item.delivery_id
    from replay, unnest($3::uuid[], $4::uuid[]) with ordinality as item (event_id, delivery_id, nth)
  )
  select matched from replay`;

export const startRunningSql = `
  update replays set state = 'running', version = version + 1, updated_at = clock_timestamp()
  where id = $1 and state = 'collecting'`;

/** The replay, if it still runs, held together with its endpoint: neither is cancelled, disabled or deleted meanwhile. */
export const lockRunningSql = `
  select e.owner, e.sandbox, e.enabled, e.deleted_at is not null as deleted
  from replays as r join endpoints as e on e.id = r.endpoint_id
  where r.id = $1 and r.state = 'running'
  for no key update of r for share of e`;

/**
 * What of the replay waits for the endpoint already, counted up to $3, and how many new numbers of the endpoint were
 * not attempted yet.
 */
export const openSql = `
  select (select count(*)::int from (
           select from delivery_retries where replay_id = $1 limit $3::int) as waiting) as retries,
         (select greatest(0, c.last_sequence - coalesce(p.attempted_through, 0))::int
          from endpoint_counters as c left join endpoint_progress as p on p.endpoint_id = c.endpoint_id
          where c.endpoint_id = $2) as unattempted`;

/**
 * Takes up to $3 items out (by where they lie: nobody else touches the items of a replay, and a join of so many that
 * the planner cannot know would read all of them), after the place $2 that was reached before: what was deleted lies in front of the index,
 * and would be passed over each time.
 */
export const takeItemsSql = `
  delete from replay_items
  where ctid = any (array(
    select ctid from replay_items where replay_id = $1 and place > $2::bigint order by place limit $3::int))
  returning place::text, event_id, delivery_id`;

/**
 * Makes another attempt of deliveries due, as a resend does (sql/resend.ts), unless they may not be sent any more. In
 * order of their ids, since batches of results lock some of the same rows.
 */
export const requeueSql = `
  with due as materialized (select clock_timestamp()::timestamptz(3) as at),
  wanted as materialized (
    select d.id, d.endpoint_id, d.sequence, d.event_id, d.attempts
    from unnest($1::uuid[]) as item (id) join deliveries as d on d.id = item.id
    where d.status in ('delivered', 'dead', 'failed') and d.attempts between 1 and $3::int - 1
      and exists (select from events as e where e.id = d.event_id and not ${isErased})
    order by d.id
    for no key update of d
  ),
  queued as (
    insert into delivery_retries as r
      (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at, replay_id, asked_after)
    select w.id, w.endpoint_id, w.sequence, w.event_id, w.attempts, due.at, $2, w.attempts from wanted as w, due
    on conflict (delivery_id) do update
      set attempts = excluded.attempts, next_attempt_at = least(r.next_attempt_at, excluded.next_attempt_at),
          replay_id = excluded.replay_id, asked_after = excluded.asked_after
  )
  update deliveries as d
  set status = 'failed', next_attempt_at = due.at, replay_id = $2
  from wanted as w, due where d.id = w.id`;

/** The counter of the endpoint, as fan-out takes it: whoever holds it gives out the next numbers. */
export const lockCounterSql = `
  select last_sequence::text from endpoint_counters where endpoint_id = $1 for update`;

/**
 * Deliveries of events that never were any, numbered after $3 in the order given, and the counter moved with them. None
 * of what was erased since it was found.
 */
export const numberMissingSql = `
  with items as materialized (
    select e.id, e.type, e.practice_id, row_number() over (order by item.place) as nth
    from unnest($2::uuid[]) with ordinality as item (id, place)
    cross join lateral (
      select id, type, practice_id from events as e where e.id = item.id and not ${isErased} limit 1
    ) as e
  ),
  made as (
    insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id, replay_id)
    select hub_uuid_v7(), $1, $3::bigint + nth, id, type, practice_id, $4 from items order by nth
  )
  update endpoint_counters set last_sequence = $3::bigint + (select count(*) from items)
  where endpoint_id = $1
  returning (last_sequence - $3::bigint)::int as made`;

export const progressSql = `
  update replays set sent = sent + $2, version = version + 1, updated_at = clock_timestamp()
  where id = $1 and $2::int > 0`;

/** Ends a replay that has not ended yet, and says what it has come to. */
export const finishSql = `
  update replays
  set state = $2, failure = $3, finished_at = clock_timestamp(), updated_at = clock_timestamp(), version = version + 1
  where id = $1 and state in ('collecting', 'running')
  returning *`;
