/**
 * Open deliveries of endpoints that nobody will enable again in time: their events leave with the partition, so they
 * are given up, visibly, instead of keeping it for ever.
 */
export const giveUpStrandedSql = `
  update deliveries set status = 'dead', next_attempt_at = null
  where status in ('pending', 'failed') and id in (
    select d.id from deliveries as d join endpoints as e on e.id = d.endpoint_id and not e.enabled
    where d.status in ('pending', 'failed') and d.event_id < $1
    limit 5000)`;

/** Whether any open delivery still needs an event below this id. */
export const eventsNeededSql = `
  select exists (select from deliveries where status in ('pending', 'failed') and event_id < $1) as needed`;

/** Whether any delivery below this id is still open. */
export const deliveriesOpenSql = `
  select exists (select from deliveries where status in ('pending', 'failed') and id < $1) as needed`;

/** Idempotency keys hold for 24 hours; a bounded piece at a time, so that no long transaction holds the horizon. */
export const forgetKeysSql = `
  with old as (
    select identity, route, key from idempotency_keys
    where created_at < now() - interval '24 hours' order by created_at limit 5000
  )
  delete from idempotency_keys as k using old
  where (k.identity, k.route, k.key) = (old.identity, old.route, old.key)`;
