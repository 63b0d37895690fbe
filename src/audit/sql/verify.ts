import { blockColumns } from '../block.js';

/** Blocks in the order in which they were sealed, behind the last one read, up to a moment. */
export const blocksSql = `
  select ${blockColumns} from audit_blocks
  where (sealed_at, writer, number) > ($1::timestamptz, $2::uuid, $3::bigint) and sealed_at < $4::timestamptz
  order by sealed_at, writer, number limit $5`;

export const blockAtSql = `select hash from audit_blocks where writer = $1 and number = $2`;

export const blocksAtSql = `
  select b.writer, b.number, b.hash
  from unnest($1::uuid[], $2::bigint[]) as head (writer, number)
  join audit_blocks as b on b.writer = head.writer and b.number = head.number`;

/** When the next entry was made, so that stretches without any are passed over. */
export const nextEntrySql = `
  select id from audit_entries where id >= $1::uuid and id < $2::uuid order by id limit 1`;

/**
 * Entries of a stretch of ids that are neither in the queue nor in a block sealed in a stretch of time. One snapshot: an
 * entry moves from the one to the other.
 */
export const looseEntriesSql = `
  select e.id, e.writer
  from audit_entries as e
  left join (
    select unnest(ids) as id from audit_blocks where sealed_at >= $3::timestamptz and sealed_at < $4::timestamptz
  ) as sealed on sealed.id = e.id
  left join audit_unsealed as u on u.writer = e.writer and u.id = e.id
  where e.id >= $1::uuid and e.id < $2::uuid and sealed.id is null and u.id is null
  order by e.id limit 1000`;

/** For one that was sealed late: its writer had died, or the database was away. */
export const isInBlockSql = `
  select exists (
    select from audit_blocks where writer = $1 and sealed_at >= $2::timestamptz and ids @> array[$3::uuid]) as found`;

export const unsealedSql = `select count(*)::int as count from audit_unsealed`;

export const attemptsSql = `
  select d.id, d.attempts as number, d.last_attempt_at as at, d.last_outcome as outcome, d.last_status_code as status_code
  from deliveries as d where d.id = any($1::uuid[]) and d.attempts > 0
  union all
  select delivery_id, number, at, outcome, status_code from delivery_attempts where delivery_id = any($1::uuid[])`;

/** What retention has dropped so far, as the trail itself tells it. */
export const droppedSql = `
  select detail from audit_entries where actor = 'system/audit' and action = 'audit.dropped' order by id desc limit 1`;
