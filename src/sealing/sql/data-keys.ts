/** The keys that seal for some practices now. */
export const activeKeysSql = `
  select number, practice_id, wrapped, master_key_id from data_keys
  where practice_id = any ($1::uuid[]) and retired_at is null and destroyed_at is null`;

/** The hub's own, the one that seals first. There are as many as rotations made, and all are wanted. */
export const ownKeysSql = `
  select number, practice_id, wrapped, master_key_id from data_keys
  where practice_id is null and destroyed_at is null
  order by retired_at is not null, number desc`;

/**
 * Keys for practices that have none that seals; of two hubs that make one at once the first decides. In order, so that
 * two who make several do not wait for each other.
 */
export const makeKeysSql = `
  insert into data_keys (practice_id, wrapped, master_key_id)
  select practice_id, wrapped, $3
  from unnest($1::uuid[], $2::bytea[]) as made (practice_id, wrapped)
  order by practice_id
  on conflict do nothing`;

export const keysByNumberSql = `
  select number, practice_id, wrapped, master_key_id from data_keys where number = any ($1::int[])`;

/**
 * Keys that were retired or destroyed since about $1. The minute before it counts too: what commits late may bear an
 * earlier time than what was seen already.
 */
export const changedKeysSql = `
  select number, practice_id, destroyed_at is not null as destroyed
  from data_keys where changed_at > $1::timestamptz - interval '1 minute' order by changed_at`;

export const nowSql = `select clock_timestamp()::text as now`;

/** When something was last erased by itself, without its key. */
export const erasedAtSql = `select max(erased_at)::text as at from erasures`;

/** Under which master keys data keys are wrapped, and how many. */
export const masterKeysInUseSql = `
  select master_key_id as id, count(*)::int as count from data_keys where destroyed_at is null
  group by master_key_id order by master_key_id`;
