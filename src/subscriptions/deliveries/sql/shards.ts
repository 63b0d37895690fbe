/** Forgets deliverers that fell silent; two that come back at once pass over each other instead of waiting. */
export const forgetSilentSql = `
  delete from deliverers where id in (
    select id from deliverers where seen_until < clock_timestamp() and id <> $1 for update skip locked)`;

/** How many deliverers live, this one included. */
export const heartbeatSql = `
  with me as (
    insert into deliverers (id, seen_until) values ($1, clock_timestamp() + make_interval(secs => $2))
    on conflict (id) do update set seen_until = excluded.seen_until
  )
  select count(*)::int + 1 as live
  from deliverers where id <> $1 and seen_until >= clock_timestamp()`;

/**
 * Prolongs every shard of this deliverer in one statement and says which they still are. In order, because result
 * batches lock the same rows.
 */
export const renewSql = `
  with mine as (
    select shard from delivery_shards where owner = $1 order by shard for no key update
  )
  update delivery_shards as s
  set leased_until = clock_timestamp() + make_interval(secs => $2)
  from mine where s.shard = mine.shard
  returning s.shard, s.epoch::text`;

/** Takes up to $3 free or run-out shards; a new epoch makes results of their former owner void. */
export const claimSql = `
  with free as (
    select shard from delivery_shards
    where owner is null or leased_until < clock_timestamp()
    order by random() limit $3
    for update skip locked
  )
  update delivery_shards as s
  set owner = $1, epoch = s.epoch + 1, leased_until = clock_timestamp() + make_interval(secs => $2)
  from free where s.shard = free.shard
  returning s.shard, s.epoch::text`;

export const releaseSql = `
  update delivery_shards set owner = null, leased_until = '-infinity'
  where owner = $1 and shard = any($2::smallint[])`;

export const leaveSql = `delete from deliverers where id = $1`;
