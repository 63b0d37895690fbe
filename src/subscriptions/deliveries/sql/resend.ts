import { isRestricted } from '../../../events/log/sql/restricted.js';

/** Held until the transaction ends, so that no result is recorded between the check and the change. */
export const lockDeliverySql = `
  select d.status, d.attempts, exists (select from event_headers as e where e.id = d.event_id) as has_event
  from deliveries as d where d.id = $1 for no key update of d`;

/** What decides whether an endpoint may still be sent a delivery; its event may have passed retention. */
export const hearableSql = `
  select n.owner, n.sandbox, d.event_type as type, d.practice_id as "practiceId",
         (select ${isRestricted} from events as e where e.id = d.event_id) as restricted
  from deliveries as d join endpoints as n on n.id = d.endpoint_id where d.id = $1`;

/**
 * Another attempt is due now; those made so far stay counted and recorded. It waits with the retries, before all that
 * are due by themselves, and without a key: what is sent once more holds up no later delivery. One that waits there
 * already keeps what it holds up. An open circuit is asked to let one try at once.
 */
export const resendSql = `
  with due as materialized (select clock_timestamp()::timestamptz(3) as at),
  queued as (
    insert into delivery_retries as r
      (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at, asked_after)
    select d.id, d.endpoint_id, d.sequence, d.event_id, d.attempts, 'epoch', d.attempts
    from deliveries as d where d.id = $1
    on conflict (delivery_id) do update
      set attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, asked_after = excluded.asked_after
  ),
  probed as (
    update endpoint_health as h set open_until = least(h.open_until, due.at), probe_asked_at = due.at
    from due where h.endpoint_id = (select endpoint_id from deliveries where id = $1) and h.open_until is not null
  )
  update deliveries set status = 'failed', next_attempt_at = due.at from due where id = $1`;
