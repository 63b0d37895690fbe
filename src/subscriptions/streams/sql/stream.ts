import { eventColumns } from '../../../events/log/sql/read-log.js';
import { isErased } from '../../../events/log/sql/erased.js';
import { isRestricted } from '../../../events/log/sql/restricted.js';

/** Where an endpoint's stream ends, how its events are shown, and to whom. A deleted endpoint has none. */
export const streamSql = `
  select e.payload_mode, c.last_sequence::text, e.owner, e.sandbox
  from endpoints as e join endpoint_counters as c on c.endpoint_id = e.id
  where e.id = $1 and e.deleted_at is null`;

/**
 * The numbers after one, ascending. Whoever is numbering holds the counter until its commit, so a snapshot shows all
 * numbers up to its last one. (Not cast to text here: ORDER BY would mean the text, and "10" comes before "9".)
 */
export const entriesSql = `
  select sequence, event_id, withheld_reason, practice_id, event_type
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

/** Of a delivery: what its event said was erased. */
const hasErasedEvent = `(select ${isErased} from events as e where e.id = event_id limit 1)`;

/**
 * The lines of a stretch of numbers, as one text: the database joins them in a fifth of the time that it takes to
 * hand them over one by one. A dead delivery whose event retention has dropped can never be sent: it counts as
 * withheld, as the feed shows it; and so does what the owner may not hear of any more ($4: of which practices it may),
 * and what was erased ($5: of which practices something was, so that only their events are looked at).
 */
export const manifestLinesSql = `
  select count(*)::int as count,
         string_agg(
           sequence || ' ' || case
             when status = 'withheld' then '-'
             when $4::uuid[] is not null and practice_id is not null and not practice_id = any ($4::uuid[]) then '-'
             when practice_id = any ($5::uuid[]) and ${hasErasedEvent} then '-'
             when status = 'dead' and not exists (select from events as e where e.id = event_id) then '-'
             else event_id::text
           end || E'\\n', '' order by sequence) as lines
  from deliveries
  where endpoint_id = $1 and sequence between $2::bigint and $3::bigint`;

/**
 * The same where grants decide. $4 and $6: the practices, each with the number of what it grants; $7 to $9: what that
 * is, by its number the names and the beginnings of types. Many practices grant the same, so this is short. $10: the
 * practices that have patients who are restricted: only there the events are looked at, whom they are about. One that
 * has passed retention cannot be asked any more.
 */
export const grantedManifestLinesSql = `
  with granted as materialized (
    select * from unnest($4::uuid[], $6::int[]) as g (practice_id, scope)
  ),
  listed as (
    select d.sequence, case
        when d.status = 'withheld' then null
        when d.practice_id is not null and not exists (
          select from unnest($7::int[], $8::text[], $9::text[]) as s (scope, name, beginning)
          where s.scope = g.scope and (d.event_type = s.name or d.event_type ^@ s.beginning)) then null
        when d.practice_id = any ($5::uuid[]) and ${hasErasedEvent} then null
        when d.practice_id = any ($10::uuid[]) and (
          select ${isRestricted} from events as e where e.id = d.event_id limit 1) then null
        when d.status = 'dead' and not exists (select from events as e where e.id = d.event_id) then null
        else d.event_id end as event_id
    from deliveries as d left join granted as g on g.practice_id = d.practice_id
    where d.endpoint_id = $1 and d.sequence between $2::bigint and $3::bigint
  )
  select count(*)::int as count,
         string_agg(sequence || ' ' || coalesce(event_id::text, '-') || E'\n', '' order by sequence) as lines
  from listed`;

/** Of these practices, those with patients who are restricted. */
export const restrictingPracticesSql = `
  select practice.id
  from unnest($1::uuid[]) as practice (id)
  cross join lateral (
    select from patients as p where p.practice_id = practice.id and p.restricted limit 1) as restricted`;
