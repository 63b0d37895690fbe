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

/** What of a piece is about the patient, by the event of each; with the end of the piece, for the next one. */
const found = (what: string) => `
  select ${what}
  from piece cross join lateral (
    select practice_id, patient_id, account_id, type from events where id = piece.event_id limit 1
  ) as e
  where ${isAbout('e')}`;

/** Endpoints after the id $1 whose streams have numbers that were not attempted, $2 at a time. */
export const openStreamsSql = `
  select p.endpoint_id as id, p.attempted_through::text as through
  from endpoint_progress as p
  left join lateral (select last_sequence from endpoint_counters where endpoint_id = p.endpoint_id limit 1) as c on true
  where p.endpoint_id > $1 and (c.last_sequence is null or c.last_sequence > p.attempted_through)
  order by p.endpoint_id limit $2`;

/** Deliveries of the endpoint $4 that were not attempted, at most $6 looked at after the number $5. */
export const openInStreamSql = `
  with piece as materialized (
    select id, event_id, sequence, status from deliveries
    where endpoint_id = $4 and sequence > $5 order by sequence limit $6
  )
  select (select max(sequence)::text from piece) as last, (select count(*)::int from piece) as seen,
         array(${found('piece.id')} and piece.status = 'pending') as ids`;

/** Deliveries that wait in a table, at most $5 looked at after the id $4. */
const waitingSql = (table: string) => `
  with piece as materialized (
    select delivery_id as id, event_id from ${table} where delivery_id > $4 order by delivery_id limit $5
  )
  select (select id from piece order by id desc limit 1) as last, (select count(*)::int from piece) as seen,
         array(${found('piece.id')}) as ids`;

export const waitingFollowersSql = waitingSql('delivery_followers');
export const waitingRetriesSql = waitingSql('delivery_retries');

export const isWithheldSql = `
  select from deliveries where id = $1 and status = 'withheld' and withheld_reason = 'erased'`;

/**
 * What receivers answered to failed attempts may echo what they were sent: at most $6 answers looked at after the
 * delivery $4 and the number $5.
 */
export const responsesSql = `
  with answers as materialized (
    select delivery_id, number from attempt_responses
    where (delivery_id, number) > ($4::uuid, $5::smallint) order by delivery_id, number limit $6
  ),
  piece as materialized (
    select a.delivery_id, a.number, d.event_id
    from answers as a cross join lateral (select event_id from deliveries where id = a.delivery_id limit 1) as d
  )
  select (select jsonb_build_array(delivery_id, number) from answers order by delivery_id desc, number desc limit 1)
           as last,
         (select count(*)::int from answers) as seen,
         array(${found('piece.delivery_id')} order by piece.delivery_id, piece.number) as ids,
         array(${found('piece.number')} order by piece.delivery_id, piece.number) as numbers`;

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
