/** The number under which the endpoints are cached; read in the transaction that uses the cache. */
export const endpointSetVersionSql = `select version from endpoint_set_version`;

/** The enabled endpoints, each with the practices that it wants and that its owner reaches today; null: all. */
export const listenersSql = `
  select id, owner, sandbox, event_types, hub_practices_of_endpoint(owner, practice_ids, sandbox) as practice_ids, exclude_own, filter, payload_mode, from_generation, from_xact_id::text
  from endpoints
  where enabled and deleted_at is null`;

/**
 * Takes the endpoints' counters, in order of their ids: two batches that share endpoints would else wait for each
 * other (0.9 instead of 1,148 batches a second, unsorted). The lock is what makes the numbers gap-free: the next
 * batch sees them only once this one has committed. An endpoint deleted meanwhile has no counter any more.
 */
export const lockCountersSql = `
  select endpoint_id, last_sequence::text
  from endpoint_counters
  where endpoint_id = any($1::uuid[])
  order by endpoint_id
  for update`;

/**
 * One row per endpoint and event, and the counters moved in the same round trip. No conflict clause and no unique
 * index on (endpoint, event): the claimed cursor keeps a repeated batch out, and with ON CONFLICT DO NOTHING such a
 * batch burnt numbers (1, 2, 3, 7).
 *
 * The ids are time-ordered, so that new rows land on the last pages of the indexes and in the newest partition. The
 * database makes them: in the hub they took 4 of about 100 microseconds a delivery.
 */
export const insertDeliveriesSql = `
  with made as (
    insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id)
    select hub_uuid_v7(), d.*
    from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::uuid[]) as d
  )
  update endpoint_counters as c
  set last_sequence = moved.last_sequence
  from unnest($6::uuid[], $7::bigint[]) as moved (endpoint_id, last_sequence)
  where c.endpoint_id = moved.endpoint_id`;

/**
 * A whole batch in one round trip and one transaction: claims it (see claim.ts), numbers it, writes it. Six statements
 * in a transaction took an idle hub a millisecond and a half longer.
 *
 * - Nothing happens unless the cursor stands where the batch begins ($4 to $6) and the endpoints are those that the
 *   batch was routed with ($10): then `claimed` has no row, no counter is locked, and nothing is inserted.
 * - The counters' lock shows their newest values, also where this waited for another batch: what follows counts from
 *   there, whatever the statement's snapshot says.
 * - $11 to $15 are the deliveries, each with its place in its endpoint's share, counted from 1; $16 and $17 are the
 *   endpoints and how many deliveries each gets.
 */
const fanOutSql = `
  with claimed as (
    update consumer_cursors
    set generation = $7, xact_id = $8::xid8, seq = $9, moved_at = now()
    where consumer_group = $1 and bus = $2 and partition = $3
      and (generation, xact_id, seq) = ($4::int, $5::xid8, $6::bigint)
      and (select version from endpoint_set_version) = $10::bigint
    returning 1
  ),
  counters as materialized (
    select endpoint_id, last_sequence
    from endpoint_counters
    where endpoint_id = any ($16::uuid[]) and exists (select from claimed)
    order by endpoint_id
    for update
  ),
  made as (
    insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id)
    select hub_uuid_v7(), d.endpoint_id, c.last_sequence + d.nth, d.event_id, d.event_type, d.practice_id
    from unnest($11::uuid[], $12::bigint[], $13::uuid[], $14::text[], $15::uuid[])
      as d (endpoint_id, nth, event_id, event_type, practice_id)
    join counters as c on c.endpoint_id = d.endpoint_id
    returning id, endpoint_id, sequence, event_id
  ),
  moved as (
    update endpoint_counters as c
    set last_sequence = counters.last_sequence + share.count
    from counters
    join unnest($16::uuid[], $17::bigint[]) as share (endpoint_id, count) on share.endpoint_id = counters.endpoint_id
    where c.endpoint_id = counters.endpoint_id
  )`;

/** Answers how many deliveries were made; null where the batch was not claimed. */
export const fanOutCountSql = `${fanOutSql}
  select case when exists (select from claimed) then (select count(*)::int from made) end as made`;

/** Answers the deliveries, for a batch so small that whoever sends them can have them at once. */
export const fanOutRowsSql = `${fanOutSql}
  select true as claimed, null as id, null as endpoint_id, null as sequence, null as event_id from claimed
  union all
  select true, id, endpoint_id, sequence, event_id from made`;
