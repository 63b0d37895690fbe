/**
 * How many of an endpoint's deliveries one filtered page looks at. A filter that hardly anything passes gives a short
 * page with a cursor further on, instead of a request that walks through the whole history. These take 60 ms (of
 * 600,000 in 30 partitions); a page without a filter takes 4 ms, most of it planning.
 */
export const mostScanned = 50_000;

/** Why a delivery is due once more, from its own row and the one that waits; null where it is not. */
function nextReason(delivery: string, waiting: string): string {
  return `
    case when ${delivery}.status <> 'failed' then null
         when ${waiting}.asked_after = ${delivery}.attempts then 'requested'
         when ${delivery}.attempts > 0 then 'retry' end as next_attempt_reason`;
}

/**
 * Up to $10 deliveries below a number, newest number first. The scan follows `deliveries_stream` and stops as soon as
 * the page is full, or after $9 rows; the row at which it gave up comes last, with `matches` false.
 *
 * - $3, $4: bounds of the ids, which are time-ordered; partitions outside are not opened.
 * - $5: only above this number. Where only open ones are wanted the scan ends there (openFloorSql): no index of
 *   deliveries names the status. With nothing pending behind 270,000 deliveries: 11 ms instead of 240.
 * - $6 status, $7 names or $8 beginnings of types, practices: null where anything will do.
 *
 * Not a named statement: planned with its values, it drops the conditions that are null and opens no more partitions
 * and indexes than it needs.
 */
export const listDeliveriesSql = `
  select shown.*, ${nextReason('shown', 'r')} from (
  select * from (
    select scanned.*,
           ($6::text[] is null or status = any ($6::text[]))
           and ($7::text[] is null or event_type = any ($7::text[]) or event_type ^@ any ($8::text[]))
           and ($11::uuid[] is null or practice_id = any ($11::uuid[])) as matches
    from (
      select d.*, row_number() over (order by sequence desc) as nth
      from deliveries as d
      where endpoint_id = $1 and sequence < $2::bigint and sequence > $5::bigint
        and ($3::uuid is null or id >= $3::uuid) and ($4::uuid is null or id < $4::uuid)
      order by sequence desc limit $9::int
    ) as scanned
  ) as seen
  where matches or nth = $9::int
  order by sequence desc limit $10::int
  ) as shown
  left join lateral (
    select asked_after from delivery_retries where delivery_id = shown.id and shown.status = 'failed' limit 1
  ) as r on true
  order by shown.sequence desc`;

/**
 * The number above which everything of an endpoint lies that is pending, and with $2 failed too: never attempted is
 * what lies beyond the mark or follows a held-up key, and what waits for another attempt stands among the retries.
 */
export const openFloorSql = `
  select least(
    (select attempted_through from endpoint_progress where endpoint_id = $1),
    (select min(sequence) - 1 from delivery_followers where endpoint_id = $1),
    (select min(sequence) - 1 from delivery_retries where endpoint_id = $1 and $2::boolean)
  )::text as floor`;

/**
 * One delivery of an endpoint that is still there, and the replay that has queued it: those that were sent before know
 * it only while they wait.
 */
export const readDeliverySql = `
  select d.*, coalesce(r.replay_id, d.replay_id) as replay_id, ${nextReason('d', 'r')}
  from deliveries as d
  join endpoints as n on n.id = d.endpoint_id and n.deleted_at is null
  left join delivery_retries as r on r.delivery_id = d.id
  where d.id = $1`;

/** The newest $2 attempts before the last one, which the delivery's own row holds. */
export const earlierAttemptsSql = `
  select number, at, duration_ms, outcome, status_code, error
  from delivery_attempts where delivery_id = $1
  order by number desc limit $2`;

/** What the receiver answered to failed attempts, as far as it is still kept. */
export const responsesSql = `
  select number, sealed_body from attempt_responses where delivery_id = $1 order by number desc limit $2`;
