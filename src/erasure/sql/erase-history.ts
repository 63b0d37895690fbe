/*
 * What the log, the deliveries and the kept answers still say, in pieces small enough that each holds nobody up. $1 is
 * the practice, $2 the patient, $3 the accounts that go along.
 */

/** `patient.erased` has ids alone, and is still to be told. */
const isAbout = (event: string) => `
  ${event}.practice_id = $1 and ${event}.type <> 'patient.erased'
  and (${event}.patient_id = $2 or ${event}.account_id = any ($3::uuid[]))`;

/**
 * Events after the id $4, at most $5 looked at: no index names the patient, since it would cost each event something
 * for the sake of a rare command. $6: erase them, or only count.
 */
export const eraseEventsSql = `
  with piece as materialized (
    select id, practice_id, patient_id, account_id, type from events where id > $4 order by id limit $5
  ),
  about as materialized (
    select coalesce(array_agg(id), '{}') as ids from piece where ${isAbout('piece')}
  )
  select (select id from piece order by id desc limit 1) as last, (select count(*)::int from piece) as seen,
         case when $6::boolean then hub_erase_events(ids) else cardinality(ids) end as erased
  from about`;

/** Deliveries that are still to be made, wherever they wait. */
export const openDeliveriesSql = `
  with open as materialized (
    select d.id, d.event_id
    from endpoint_progress as p
    cross join lateral (
      select id, event_id from deliveries
      where endpoint_id = p.endpoint_id and sequence > p.attempted_through and status = 'pending' and practice_id = $1
    ) as d
    union select delivery_id, event_id from delivery_retries
    union select delivery_id, event_id from delivery_followers
  )
  select open.id
  from open
  cross join lateral (
    select practice_id, patient_id, account_id, type from events where id = open.event_id limit 1
  ) as e
  where ${isAbout('e')}`;

export const isWithheldSql = `
  select from deliveries where id = $1 and status = 'withheld' and withheld_reason = 'erased'`;

/** What receivers answered to failed attempts may echo what they were sent. */
export const responsesSql = `
  select r.delivery_id, r.number
  from attempt_responses as r
  cross join lateral (select event_id from deliveries where id = r.delivery_id limit 1) as d
  cross join lateral (
    select practice_id, patient_id, account_id, type from events where id = d.event_id limit 1
  ) as e
  where ${isAbout('e')}`;

export const eraseResponsesSql = `
  delete from attempt_responses as r using unnest($1::uuid[], $2::smallint[]) as gone (delivery_id, number)
  where r.delivery_id = gone.delivery_id and r.number = gone.number returning r.number`;

export const addCountsSql = `
  update erasures set events_through = coalesce($2, events_through), counts = counts || (
    select coalesce(jsonb_object_agg(key, coalesce((counts ->> key)::int, 0) + value::int), '{}') from jsonb_each_text($3)
  )
  where id = $1`;

/** For hubs that miss the signal. */
export const tellHubsSql = `update erasures set erased_at = clock_timestamp() where id = $1`;

export const finishSql = `
  update erasures set finished_at = clock_timestamp() where id = $1 returning *`;

/** Kept answers to requests about the practice, $5 at a time after the key ($2, $3, $4): what is in them is sealed. */
export const answersSql = `
  select identity, route, key, sealed_body from idempotency_keys
  where route like '% /v1/practices/' || $1::text || '/%' and sealed_body is not null
    and (identity, route, key) > ($2, $3, $4)
  order by identity, route, key limit $5`;

/** The keys stay, so that nothing happens a second time. */
export const eraseAnswersSql = `
  update idempotency_keys as k set sealed_body = $4
  from unnest($1::text[], $2::text[], $3::text[]) as gone (identity, route, key)
  where (k.identity, k.route, k.key) = (gone.identity, gone.route, gone.key)`;
