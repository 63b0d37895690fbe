export const keyCountsSql = `
  select count(*) filter (where retired_at is null and destroyed_at is null)::int as active,
         count(*) filter (where retired_at is not null and destroyed_at is null)::int as retired,
         count(*) filter (where destroyed_at is not null)::int as destroyed
  from data_keys`;

/** Keys that are not wrapped under $1, with how many of them there are. */
export const staleSql = `
  select number, practice_id, wrapped, master_key_id, count(*) over ()::int as left_over
  from data_keys where destroyed_at is null and master_key_id <> $1
  order by number limit $2`;

/** Only where nobody was faster: what was destroyed since it was read must not come back. */
export const rewrapSql = `
  update data_keys as k set wrapped = anew.wrapped, master_key_id = $4
  from unnest($1::int[], $2::text[], $3::bytea[]) as anew (number, former_id, wrapped)
  where k.number = anew.number and k.master_key_id = anew.former_id and k.destroyed_at is null`;

/** Another key of the hub's own. In this order: an index allows one that seals. */
export const renewOwnSql = `
  with former as (
    update data_keys set retired_at = clock_timestamp()
    where practice_id is null and retired_at is null and destroyed_at is null
    returning number
  )
  insert into data_keys (practice_id, wrapped, master_key_id)
  select null, $1, $2 from (select count(*) from former) as after_them`;

/** Those with a number beyond $2 are new already. */
export const retireSql = `
  update data_keys set retired_at = clock_timestamp()
  where number in (
    select number from data_keys
    where practice_id is not null and retired_at is null and destroyed_at is null
      and number <= $2
    order by number limit $1)`;

export const destroySql = `
  update data_keys set wrapped = null, master_key_id = null, destroyed_at = clock_timestamp()
  where practice_id = $1 and destroyed_at is null`;
