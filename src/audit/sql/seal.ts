import { entryColumns, hashedColumns } from '../audit-entry.js';
import { blockColumns } from '../block.js';

/** A chain has one end: whoever adds to it holds the writer's row. */
export const lockWriterSql = `
  select clock_timestamp()::timestamptz(3) as now from audit_writers where id = $1 for update`;

/**
 * The oldest of what a writer's chain does not hold yet: at most $2 entries, and none after those that have $3 ids of
 * deliveries among them. How many an entry has follows from its size (16 bytes each), since counting would read the
 * whole list. By a limit, so that each entry is looked up by its key. `waiting`: how many there were to take.
 */
export const takeUnsealedSql = `
  with oldest as materialized (select id from audit_unsealed where writer = $1 order by id limit $2),
  counted as (
    select oldest.id, sum(ids) over (order by oldest.id) - ids as before
    from oldest
    left join lateral (select pg_column_size(delivery_ids) / 16 from audit_entries where id = oldest.id limit 1)
      as entry (entry_ids) on true
    cross join lateral (values (coalesce(entry_ids, 0))) as its (ids)
  )
  delete from audit_unsealed
  where writer = $1 and id in (select id from counted where before < $3)
  returning id, (select count(*)::int from oldest) as waiting`;

// The bounds let the executor leave out the partitions that hold none of them.
const amongIds = `from audit_entries where id = any($1::uuid[]) and id >= $2::uuid and id <= $3::uuid`;

export const readEntriesSql = `select ${entryColumns} ${amongIds}`;

/** For nothing but their hashes. */
export const readHashedSql = `select ${hashedColumns} ${amongIds}`;

export const lastBlockSql = `
  select number, hash, sealed_at from audit_blocks where writer = $1 order by number desc limit 1`;

export const insertBlockSql = `
  insert into audit_blocks (${blockColumns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

/** Writers that have left entries behind: dead for $2 seconds, closed, or never known. */
export const orphansSql = `
  select u.writer from (select distinct writer from audit_unsealed) as u
  left join audit_writers as w on w.id = u.writer
  where u.writer <> $1
    and (w.id is null or w.closed_at is not null or w.seen_at < clock_timestamp() - make_interval(secs => $2))
  limit 100`;

/** Writers that have died, with the ends of their chains, of which nobody knows whether they left the database. */
export const deadSql = `
  select w.id as writer, last.number, last.hash, last.sealed_at
  from audit_writers as w
  left join lateral (
    select number, hash, sealed_at from audit_blocks where writer = w.id order by number desc limit 1
  ) as last on true
  where w.closed_at is null and w.id <> $1 and w.seen_at < clock_timestamp() - make_interval(secs => $2)
  order by w.id limit 100`;

/** Their heads up to the numbers $2 (0: there is none) have been exported. */
export const closeDeadSql = `
  update audit_writers as w set closed_at = clock_timestamp()
  from unnest($1::uuid[], $2::bigint[]) as told (writer, number)
  where w.id = told.writer and w.closed_at is null
    and not exists (select from audit_blocks as b where b.writer = w.id and b.number > told.number)`;

export const registerSql = `insert into audit_writers (id, name) values ($1, $2) on conflict (id) do nothing`;

/** A chain that goes on without its writer has a head to be exported again. */
export const reopenSql = `
  insert into audit_writers (id, name) values ($1, 'unknown')
  on conflict (id) do update set closed_at = null where audit_writers.closed_at is not null`;

/** Whoever was taken for dead and was not lives on. */
export const seenSql = `update audit_writers set seen_at = clock_timestamp(), closed_at = null where id = $1`;

export const closedSql = `
  update audit_writers set seen_at = clock_timestamp(), closed_at = clock_timestamp() where id = $1`;
