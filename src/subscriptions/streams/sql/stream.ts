import { eventColumns } from '../../../events/log/sql/read-log.js';

/** Where an endpoint's stream ends, how its events are shown, and of which practices. A deleted endpoint has none. */
export const streamSql = `
  select e.payload_mode, c.last_sequence::text,
         hub_practices_of_endpoint(e.owner, null, e.sandbox)::text[] as practices
  from endpoints as e join endpoint_counters as c on c.endpoint_id = e.id
  where e.id = $1 and e.deleted_at is null`;

/**
 * The numbers after one, ascending. Whoever is numbering holds the counter until its commit, so a snapshot shows all
 * numbers up to its last one. (Not cast to text here: ORDER BY would mean the text, and "10" comes before "9".)
 */
export const entriesSql = `
  select sequence, event_id, withheld_reason, practice_id
  from deliveries where endpoint_id = $1 and sequence > $2::bigint
  order by sequence limit $3`;

/** The events of a piece of a page; each is looked up in the one partition its id names. */
export const streamEventsSql = `
  select e.*
  from unnest($1::uuid[]) as wanted (id)
  cross join lateral (
    select ${eventColumns}
    from events as e where e.id = wanted.id limit 1
  ) as e`;

/** The first number that is still on record. */
export const firstSequenceSql = `
  select min(sequence)::text as first from deliveries where endpoint_id = $1`;

/**
 * The lines of a stretch of numbers, as one text: the database joins them in a fifth of the time that it takes to
 * hand them over one by one. A dead delivery whose event retention has dropped can never be sent: it counts as
 * withheld, as the feed shows it; and so does what the owner may not hear of any more ($4: of which practices it may),
 * and what was erased with its key ($5: practices that have lost one, so that only their events are looked at).
 */
export const manifestLinesSql = `
  select count(*)::int as count,
         string_agg(
           sequence || ' ' || case
             when status = 'withheld' then '-'
             when $4::uuid[] is not null and practice_id is not null and not practice_id = any ($4::uuid[]) then '-'
             when practice_id = any ($5::uuid[]) and (
               select k.destroyed_at is not null from events as e join data_keys as k on k.number = hub_key_number(e.sealed)
               where e.id = event_id) then '-'
             when status = 'dead' and not exists (select from events as e where e.id = event_id) then '-'
             else event_id::text
           end || E'\\n', '' order by sequence) as lines
  from deliveries
  where endpoint_id = $1 and sequence between $2::bigint and $3::bigint`;

/** Practices of which something was erased by destroying its key. */
export const erasedPracticesSql = `
  select distinct practice_id from data_keys where destroyed_at is not null and practice_id is not null`;
