/** The practices of some applications, in order of their ids. */
export const practicesOfSql = `
  select application_id as id, array_agg(practice_id::text order by practice_id) as practices
  from application_practices where application_id = any ($1::uuid[]) group by application_id`;

/** Makes $2 the practices of an application. */
export const setPracticesSql = `
  with gone as (
    delete from application_practices where application_id = $1 and not practice_id = any ($2::uuid[])
  )
  insert into application_practices (application_id, practice_id)
  select $1, id from unnest($2::uuid[]) as id
  on conflict do nothing`;

/** Places, counted from 1, of ids that name no practice. */
export const unknownPracticesSql = `
  select place::int from unnest($1::uuid[]) with ordinality as wanted (id, place)
  where not exists (select from practices where practices.id = wanted.id) order by place`;

/**
 * Makes every hub look at the endpoints, and at what they may hear of, anew. The last statement of its transaction: the
 * row is one for all.
 */
export const reachAnewSql = `update endpoint_set_version set version = version + 1`;
