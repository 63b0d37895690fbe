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
 * Another attempt is due now; those made so far stay counted and recorded. It waits with the retries, without a key:
 * what is sent once more holds up no later delivery. One that waits there already keeps what it holds up.
 */
export const resendSql = `
  with due as materialized (select clock_timestamp()::timestamptz(3) as at),
  queued as (
    insert into delivery_retries as r
      (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
    select d.id, d.endpoint_id, d.sequence, d.event_id, d.attempts, due.at
    from deliveries as d, due where d.id = $1
    on conflict (delivery_id) do update
      set attempts = excluded.attempts, next_attempt_at = least(r.next_attempt_at, excluded.next_attempt_at)
  )
  update deliveries set status = 'failed', next_attempt_at = due.at from due where id = $1`;
