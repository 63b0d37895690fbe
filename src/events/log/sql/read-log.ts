/*
 * Reading the log without gaps. A plain sequence is no cursor: a lower number can commit after a higher one was
 * read. A row is settled once its transaction id lies below the snapshot's xmin, since nothing that could still
 * commit is below that; rows of an earlier generation are settled always.
 *
 * `(generation, xact_id) < (current generation, xmin)` says both at once. The position index answers the range and
 * the order on every partition; the rows above the horizon are the last ones of the scan.
 */

/** A whole event; what is sealed in base64, which the driver reads faster than its hexadecimal. */
export const eventColumns = `
  e.id, e.type, e.type_version, e.practice_id, e.patient_id, e.account_id, e.source, e.subject, e.subject_version,
  e.time, e.actor, e.correlation_id, e.causation_id, e.traceparent, encode(e.sealed, 'base64') as sealed,
  e.generation, e.xact_id::text as xact_id, e.seq::text as seq`;

/**
 * The next rows after a position, settled or not: an unsettled one ends the batch and tells the reader to look
 * again within a millisecond or two, which a filter on the horizon would hide.
 * The generation is looked up with the read, because a promotion may begin a new one at any time.
 */
export const readHeadersSql = `
  with now as materialized (
    select hub_generation() as generation, pg_snapshot_xmin(pg_current_snapshot()) as xmin
  )
  select e.id, e.type, e.practice_id, e.patient_id, e.account_id, e.subject, e.actor, e.generation, e.xact_id::text, e.seq::text,
         (e.generation, e.xact_id) < (select generation, xmin from now) as settled
  from events as e
  where (e.generation, e.xact_id, e.seq) > ($1::int, $2::xid8, $3::bigint)
  order by e.generation, e.xact_id, e.seq
  limit $4`;

/** As above, whole events. */
export const readEventsSql = `
  with now as materialized (
    select hub_generation() as generation, pg_snapshot_xmin(pg_current_snapshot()) as xmin
  )
  select ${eventColumns},
         (e.generation, e.xact_id) < (select generation, xmin from now) as settled
  from events as e
  where (e.generation, e.xact_id, e.seq) > ($1::int, $2::xid8, $3::bigint)
  order by e.generation, e.xact_id, e.seq
  limit $4`;

/**
 * Headers for the feed, which moves past what its reader may not know of: the view shows every event's place and
 * origin to the API, and nothing of what it says.
 */
export const readFeedHeadersSql = `
  with now as materialized (
    select hub_generation() as generation, pg_snapshot_xmin(pg_current_snapshot()) as xmin
  )
  select e.id, e.type, e.practice_id, e.patient_id, e.account_id, e.source, e.subject, e.actor,
         e.generation, e.xact_id::text, e.seq::text,
         (e.generation, e.xact_id) < (select generation, xmin from now) as settled
  from event_headers as e
  where (e.generation, e.xact_id, e.seq) > ($1::int, $2::xid8, $3::bigint)
  order by e.generation, e.xact_id, e.seq
  limit $4`;

/**
 * Both ends of what can be read. `xmin`: everything below is settled, so a snapshot taken later shows it.
 * `xmax`: nothing at or above it has been assigned, so a cursor beyond it comes from a future that a restore
 * has undone.
 */
export const horizonSql = `
  select hub_generation() as generation,
         pg_snapshot_xmin(pg_current_snapshot())::text as xmin,
         pg_snapshot_xmax(pg_current_snapshot())::text as xmax,
         r.generation as dropped_generation, r.xact_id::text as dropped_xact_id, r.seq::text as dropped_seq
  from log_retention as r`;

/** One event; ids are time-ordered and the table is partitioned by them, so this looks into one partition. */
export const readEventByIdSql = `
  select ${eventColumns} from events as e where e.id = $1`;

/**
 * The headers of some events, by primary key. The range of their ids says again what the list says, so that only
 * partitions in it are looked into: an array that comes as a parameter rules out none.
 */
export const readHeadersByIdSql = `
  select id, type, practice_id, patient_id, account_id, subject, actor, generation, xact_id::text, seq::text
  from events where id = any($1::uuid[]) and id between $2::uuid and $3::uuid`;

/** Some events whole, by primary key. */
export const readEventsByIdSql = `
  select ${eventColumns} from events as e where e.id = any($1::uuid[])`;

/** Whether a generation has kept any event at or beyond a position of it, or has none at all: null where it has none. */
export const beyondGenerationSql = `
  select (select (e.generation, e.xact_id, e.seq) >= ($1::int, $2::xid8, $3::bigint)
          from event_headers as e where e.generation = $1
          order by e.generation desc, e.xact_id desc, e.seq desc limit 1) as kept`;
