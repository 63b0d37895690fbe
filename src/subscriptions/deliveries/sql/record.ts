import { batchEntry, withheldEntry } from '../../../audit/sql/write.js';

/*
 * Recording results. What it must not do is let a former owner of a shard overwrite what the present one has recorded:
 *
 * - the shards' rows are taken FOR SHARE with owner and epoch, so that a take-over waits for the batch or the batch
 *   finds its epoch gone (a plain subquery on the epoch read the snapshot and let an old owner through);
 * - a delivery must still be open and at the attempt before this one. The update re-reads a row that changed after
 *   the statement's snapshot, so this holds against a rival that recorded meanwhile.
 *
 * Each batch is one entry of the audit trail, in the same statement.
 */

const fenced = `
  fenced as materialized (
    select s.shard
    from delivery_shards as s
    join unnest($2::smallint[], $3::bigint[]) as held (shard, epoch) on s.shard = held.shard
    where s.owner = $1 and s.epoch = held.epoch
    order by s.shard
    for share of s
  )`;

/**
 * First attempts that succeeded, nearly all there is: one row version each, on the same page and without a new index
 * entry. The bounds of the ids ($4, $5) let the executor leave out the partitions that hold none of them.
 */
export const recordDeliveredSql = `
  with ${fenced},
  changed as (
  update deliveries as d
  set status = 'delivered', attempts = 1, last_attempt_at = r.at, last_duration_ms = r.duration_ms,
      last_outcome = 'succeeded', last_status_code = r.status_code
  from unnest($6::uuid[], $7::smallint[], $8::timestamptz[], $9::int[], $10::smallint[])
    as r (id, shard, at, duration_ms, status_code)
  where d.id = r.id and d.id >= $4::uuid and d.id <= $5::uuid
    and r.shard in (select shard from fenced)
    and d.attempts = 0 and d.status = 'pending'
  returning 1
  ),
  ${batchEntry('$6', '$11', 'changed')}
  select`;

/*
 * What webhooks told partners of persons goes on record in the statement of their results. These two are for batches
 * in which there is any of that: where there is none, as at practices without partners, recording costs what it did.
 */

/** What comes with each result besides; null where it told nobody anything. */
const disclosure = 'patient_id, account_id, partner_id, mode, grant_id';

/**
 * Written by what the snapshot shows, not by what the update then changes: what was withheld while its webhook was
 * under way has been disclosed all the same. Sent and not acknowledged is told once, not with every further attempt.
 */
const disclosed = (confirmed: string, number: string) => `
  disclosed as (
    insert into disclosures (at, practice_id, patient_id, account_id, partner_id, how, confirmed, what, mode,
                             grant_id, purpose, agreement_reference, event_id, endpoint_id, delivery_id)
    select r.at, d.practice_id, r.patient_id, r.account_id, r.partner_id, 'webhook', ${confirmed}, d.event_type,
           r.mode, r.grant_id, g.purpose, g.agreement_reference, d.event_id, d.endpoint_id, d.id
    from results as r
    cross join lateral (
      select id, practice_id, event_type, event_id, endpoint_id, status, attempts, last_outcome
      from deliveries where id = r.id limit 1
    ) as d
    left join lateral (
      select purpose, agreement_reference from grants where id = r.grant_id limit 1
    ) as g on true
    where r.partner_id is not null
      and (d.status = 'withheld' or d.attempts = ${number} - 1 and d.status in ('pending', 'failed'))
      and (${confirmed} or d.last_outcome is null
        or d.last_outcome in ('dns_error', 'tls_error', 'blocked_address', 'internal_error'))
  )`;

/** As `recordDeliveredSql`. */
export const recordDeliveredDisclosingSql = `
  with ${fenced},
  results as materialized (
    select * from unnest($6::uuid[], $7::smallint[], $8::timestamptz[], $9::int[], $10::smallint[],
                         $12::uuid[], $13::uuid[], $14::uuid[], $15::text[], $16::uuid[])
      as r (id, shard, at, duration_ms, status_code, ${disclosure})
    where r.shard in (select shard from fenced)
  ),${disclosed('true', '1')},
  changed as (
    update deliveries as d
    set status = 'delivered', attempts = 1, last_attempt_at = r.at, last_duration_ms = r.duration_ms,
        last_outcome = 'succeeded', last_status_code = r.status_code
    from results as r
    where d.id = r.id and d.id >= $4::uuid and d.id <= $5::uuid and d.attempts = 0 and d.status = 'pending'
    returning 1
  ),
  ${batchEntry('$6', '$11', 'changed')}
  select`;

/**
 * All other results. The attempt before the last moves to `delivery_attempts`; what failed waits in
 * `delivery_retries`, what is settled leaves it, and a follower that was tried follows no more. Answers the ids of
 * the deliveries that it changed. An attempt that outran its twin is dropped (`do nothing`): both are the same
 * attempt, seen twice.
 */
const recordText = (lists: string, names: string, besides: string) => `
  with ${fenced},
  results as materialized (
    select r.*, clock_timestamp() + make_interval(secs => r.retry_in_seconds) as next_attempt_at
    from unnest($4::uuid[], $5::smallint[], $6::smallint[], $7::text[], $8::float8[], $9::timestamptz[],
                $10::int[], $11::text[], $12::smallint[], $13::text[], $14::text[], $15::uuid[], $16::bytea[]${lists})
      as r (id, shard, number, status, retry_in_seconds, at, duration_ms, outcome, status_code, error,
            order_key, replay_id, response${names})
    join fenced on fenced.shard = r.shard
  ),${besides}
  earlier as (
    insert into delivery_attempts (delivery_id, number, at, duration_ms, outcome, status_code, error)
    select d.id, d.attempts, d.last_attempt_at, d.last_duration_ms, d.last_outcome, d.last_status_code, d.last_error
    from results as r join deliveries as d on d.id = r.id
    where r.number > 1 and d.attempts = r.number - 1 and d.status in ('pending', 'failed')
    on conflict do nothing
  ),
  changed as (
    update deliveries as d
    set status = r.status, attempts = r.number, next_attempt_at = r.next_attempt_at,
        last_attempt_at = r.at, last_duration_ms = r.duration_ms, last_outcome = r.outcome,
        last_status_code = r.status_code, last_error = r.error
    from results as r
    where d.id = r.id and d.attempts = r.number - 1 and d.status in ('pending', 'failed')
    returning d.id, d.endpoint_id, d.sequence, d.event_id, d.attempts, d.status, d.next_attempt_at,
              r.order_key, r.replay_id, r.response
  ),
  queued as (
    insert into delivery_retries as q
      (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at, order_key, replay_id)
    select id, endpoint_id, sequence, event_id, attempts, next_attempt_at, order_key, replay_id
    from changed where status = 'failed'
    on conflict (delivery_id) do update
      set attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at,
          order_key = excluded.order_key, replay_id = excluded.replay_id
  ),
  settled as (
    delete from delivery_retries where delivery_id in (select id from changed where status <> 'failed')
  ),
  followed as (
    delete from delivery_followers where delivery_id in (select id from changed)
  ),
  answered as (
    insert into attempt_responses (delivery_id, number, sealed_body)
    select id, attempts, response from changed where response is not null
    on conflict do nothing
  ),
  ${batchEntry('$4', '$17', 'changed')}
  select id from changed`;

export const recordSql = recordText('', '', '');

/** As `recordSql`, and puts on record what was disclosed. */
export const recordDisclosingSql = recordText(
  ', $18::uuid[], $19::uuid[], $20::uuid[], $21::text[], $22::uuid[]',
  `, ${disclosure}`,
  `${disclosed("r.status = 'delivered'", 'r.number')},`,
);

/** What was delivered before it was to be sent once more; no index needed, since hardly any comes here. */
const wasDelivered = `(d.last_outcome = 'succeeded' or exists (
      select from delivery_attempts as a where a.delivery_id = d.id and a.outcome = 'succeeded'))`;

/**
 * What may not be sent any more, for the reason $2: visible, and out of the way. What was delivered already stays
 * delivered, and is only not sent once more.
 */
export const withholdSql = `
  with settled as (
    update deliveries as d
    set status = case when ${wasDelivered} then 'delivered' else 'withheld' end,
        withheld_reason = case when ${wasDelivered} then null else $2::text end, next_attempt_at = null
    where id = any($1::uuid[]) and status in ('pending', 'failed')
    returning id, status
  ),
  withheld as (select id from settled where status = 'withheld'),
  ${withheldEntry('withheld', '$2::text')},
  retries as (delete from delivery_retries where delivery_id = any($1::uuid[]))
  delete from delivery_followers where delivery_id = any($1::uuid[])`;

/**
 * Moves marks forward, never back, and only for shards that are still owned: a process that was suspended counts
 * results as settled that were void, and its mark would pass deliveries that the new owner has only in memory.
 */
export const markSql = `
  with ${fenced}
  update endpoint_progress as p
  set attempted_through = marks.through
  from unnest($4::uuid[], $5::smallint[], $6::bigint[]) as marks (endpoint_id, shard, through)
  where p.endpoint_id = marks.endpoint_id and p.attempted_through < marks.through
    and marks.shard in (select shard from fenced)`;
