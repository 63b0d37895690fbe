/** Quarters that end before the retention does, of both tables; $1 null: by the database's clock. */
export const expiredPartitionsSql = `
  select quote_ident(c.relname) as name, (right(c.relname, 8)::date)::timestamp at time zone 'UTC' as ends
  from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
  where i.inhparent in ('audit_entries'::regclass, 'audit_blocks'::regclass)
    and c.relname ~ '_\\d{8}_\\d{8}$'
    and (right(c.relname, 8)::date)::timestamp at time zone 'UTC'
        <= coalesce($1::timestamptz, clock_timestamp()) - make_interval(years => $2)
  order by c.relname`;

/** The last block before a moment of each chain that goes on after it. */
export const anchorsSql = `
  select w.id as writer, last.number, last.hash
  from audit_writers as w
  cross join lateral (
    select number, hash from audit_blocks where writer = w.id and sealed_at < $1 order by number desc limit 1
  ) as last
  where exists (select from audit_blocks as b where b.writer = w.id and b.sealed_at >= $1)`;

/** In the chain of the hub that drops. */
export const writeDroppedSql = `
  with made as materialized (select hub_uuid_v7() as id),
  entry as (
    insert into audit_entries (id, writer, action, actor, detail)
    select id, $1, 'audit.dropped', 'system/audit', $2 from made
  )
  insert into audit_unsealed (writer, id) select $1, id from made`;
