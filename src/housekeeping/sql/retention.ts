/*
 * What is open is found where it waits: never attempted beyond the endpoint's mark, followers and retries in their
 * tables. No index of deliveries names the status.
 */

/**
 * Open deliveries of endpoints that nobody will enable again in time: their events leave with the partition, so they
 * are withheld, visibly, instead of keeping it for ever. What waited in a queue leaves it.
 */
export const giveUpStrandedSql = `
  with stranded as materialized (
    (select d.id
     from endpoints as e
     join endpoint_progress as p on p.endpoint_id = e.id
     cross join lateral (
       select id from deliveries
       where endpoint_id = e.id and sequence > p.attempted_through and status = 'pending' and event_id < $1
     ) as d
     where not e.enabled limit 5000)
    union
    (select r.delivery_id
     from delivery_retries as r join endpoints as e on e.id = r.endpoint_id and not e.enabled
     where r.event_id < $1 limit 5000)
    union
    (select f.delivery_id
     from delivery_followers as f join endpoints as e on e.id = f.endpoint_id and not e.enabled
     where f.event_id < $1 limit 5000)
  ),
  retries as (delete from delivery_retries where delivery_id in (select id from stranded)),
  followers as (delete from delivery_followers where delivery_id in (select id from stranded))
  update deliveries
  set status = 'withheld', withheld_reason = 'expired', next_attempt_at = null
  where id in (select id from stranded) and status in ('pending', 'failed')`;

/** Whether any open delivery still needs an event below this id. */
export const eventsNeededSql = `
  select exists (select from delivery_retries where event_id < $1)
      or exists (select from delivery_followers where event_id < $1)
      or exists (
        select from endpoint_progress as p
        cross join lateral (
          select from deliveries
          where endpoint_id = p.endpoint_id and sequence > p.attempted_through and status = 'pending'
            and event_id < $1
          limit 1
        ) as d) as needed`;

/** Whether any delivery below this id is still open. */
export const deliveriesOpenSql = `
  select exists (select from delivery_retries where delivery_id < $1)
      or exists (select from delivery_followers where delivery_id < $1)
      or exists (
        select from endpoint_progress as p
        cross join lateral (
          select from deliveries
          where endpoint_id = p.endpoint_id and sequence > p.attempted_through and status = 'pending' and id < $1
          limit 1
        ) as d) as needed`;

/*
 * Rows whose time is over, a bounded piece at a time, so that no long transaction holds the horizon.
 */

/** Idempotency keys hold for 24 hours. */
export const forgetKeysSql = `
  with old as (
    select identity, route, key from idempotency_keys
    where created_at < now() - interval '24 hours' order by created_at limit 5000
  )
  delete from idempotency_keys as k using old
  where (k.identity, k.route, k.key) = (old.identity, old.route, old.key)`;

/** What receivers answered may echo a patient's data. It is kept for a week, to mend a receiver by. */
export const forgetResponsesSql = `
  with old as (
    select delivery_id, number from attempt_responses
    where at < now() - interval '7 days' order by at limit 5000
  )
  delete from attempt_responses as r using old
  where (r.delivery_id, r.number) = (old.delivery_id, old.number)`;

/** What finished replays have not queued: a hub that died while it cleared up leaves it behind. */
export const forgetReplayItemsSql = `
  with old as (
    select i.replay_id, i.place
    from replays as r join replay_items as i on i.replay_id = r.id
    where r.finished_at is not null limit 5000
  )
  delete from replay_items as i using old
  where (i.replay_id, i.place) = (old.replay_id, old.place)`;

/** Replays stay on record for as long as events do, $1 days. */
export const forgetReplaysSql = `
  delete from replays where id in (
    select id from replays where finished_at < now() - make_interval(days => $1) limit 1000)`;

/** Signing keys that have ended: nothing is signed with them any more, and no secret is kept for nothing. */
export const forgetEndedSecretsSql = `delete from endpoint_secrets where expires_at <= clock_timestamp()`;

/** Tokens that have ended: each was good for an hour at most. */
export const forgetTokensSql = `
  delete from access_tokens where token_hash in (
    select token_hash from access_tokens where expires_at <= clock_timestamp() order by expires_at limit 5000)`;

/**
 * Reminders of appointments that began more than $3 days ago: nothing is planned for these any more, so that nothing
 * needs to know what was said. Looks at a piece of the table in the order of its key, after $1, at most $2 rows, since
 * an index on the time would be one more to write with every reminder that fires. Names the last one it looked at.
 */
export const forgetRemindersSql = `
  with piece as materialized (
    select id, status, fire_until from appointment_reminders where id > $1 order by id limit $2
  ), gone as (
    delete from appointment_reminders as r using piece
    where r.id = piece.id and piece.status <> 'pending' and r.status <> 'pending'
      and piece.fire_until < now() - make_interval(days => $3)
  )
  select max(id) as last, count(*)::int as seen from piece`;
