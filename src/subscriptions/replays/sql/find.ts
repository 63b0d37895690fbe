/**
 * One stretch of an endpoint's stream, in order of its numbers: those deliveries of it that were attempted and match.
 * The last row says how far the stretch went, and has no delivery.
 *
 * - $2: after this number; $3, $4: bounds of the ids, which are time-ordered, and $3 may be null.
 * - $5 statuses, $6 names or $7 beginnings of types, null where any will do; $8: rows looked at.
 */
export const matchingDeliveriesSql = `
  with scanned as materialized (
    select id, sequence, event_id, event_type, practice_id, status, attempts from deliveries
    where endpoint_id = $1 and sequence > $2::bigint
      and ($3::uuid is null or id >= $3::uuid) and id < $4::uuid
    order by sequence limit $8::int
  )
  select * from (
    select id, event_id, practice_id, sequence from scanned
    where status = any ($5::text[]) and attempts between 1 and $9::int - 1
      and ($6::text[] is null or event_type = any ($6::text[]) or event_type ^@ any ($7::text[]))
    order by sequence
  ) as found
  union all
  select null, null, null, max(sequence) from scanned having count(*) = $8::int`;

/** The endpoint as fan-out would see it if it were enabled, and had been there from the start. */
export const listenerSql = `
  select id, owner, sandbox, event_types, practice_ids, exclude_own, filter, payload_mode
  from endpoints where id = $1 and deleted_at is null`;

/** How far fan-out has got: what lies beyond, and what was parked, it will still handle itself. */
export const fanOutReachSql = `
  select partition, generation, xact_id::text, seq::text,
         (select partitions from relay_state) as partitions
  from consumer_cursors where consumer_group = $1 and bus = $2`;

/**
 * Events of the log without a delivery to the endpoint, in log order. A hash anti-join: an index on (endpoint, event)
 * would cost every delivery something for the sake of a rare question. 300,000 events against 270,000 deliveries take
 * 2.6 s, with the other cores busy.
 *
 * Of the headers, whoever asks: within the scope of an application with 1,000 practices these would be compared with
 * every row, which takes longer than all the rest. Which of them are heard of the reach decides, and what they say is
 * read within the scope.
 *
 * - $2, $3: bounds of the ids, $2 may be null; $4 to $6: no position beyond.
 * - $7 names or $8 beginnings of the types wanted, $9 those the endpoint has, $10 their beginnings; $11 practices,
 *   null: all.
 * - $12: the consumer group whose parked events are left to it.
 */
export const missingEventsSql = `
  declare missing no scroll cursor for
  select e.id, e.type, e.practice_id, e.patient_id, e.account_id, e.subject, e.actor, e.generation, e.xact_id::text, e.seq::text
  from event_headers as e
  where ($2::uuid is null or e.id >= $2::uuid) and e.id < $3::uuid
    and (e.generation, e.xact_id, e.seq) <= ($4::int, $5::xid8, $6::bigint)
    and ($7::text[] is null or e.type = any ($7::text[]) or e.type ^@ any ($8::text[]))
    and (e.type = any ($9::text[]) or e.type ^@ any ($10::text[]))
    and ($11::uuid[] is null or e.practice_id = any ($11::uuid[]) or e.practice_id is null)
    and not exists (select from deliveries as d where d.endpoint_id = $1 and d.event_id = e.id)
    and not exists (select from parked_events as p where p.consumer_group = $12 and p.event_id = e.id)
  order by e.generation, e.xact_id, e.seq`;
