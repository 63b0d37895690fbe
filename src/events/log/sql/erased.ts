/**
 * Whether what an event `e` said was erased: by itself (`erasedMark`, src/sealing/data-key.ts) or with its data key. Of
 * the payload this reads the length and the number of the key, and opens nothing.
 */
export const isErased = `
  (e.sealed = '\\x00' or exists (
    select from data_keys as k where k.number = hub_key_number(e.sealed) and k.destroyed_at is not null))`;

/** Practices of which something was erased: elsewhere no event needs to be looked at. */
export const erasedPracticesSql = `
  select practice_id from data_keys where destroyed_at is not null and practice_id is not null
  union
  select practice_id from erasures`;

/** Of some events, by id, those whose payload was erased. */
export const erasedAmongSql = `
  select wanted.id
  from unnest($1::uuid[]) as wanted (id)
  cross join lateral (select ${isErased} as erased from events as e where e.id = wanted.id limit 1) as e
  where e.erased`;
