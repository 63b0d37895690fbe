/** Who of a practice's own hears of its grants. $1 practices; bounded, since each is told by an event of its own. */
export const applicationsOfSql = `
  select p.id, p.sandbox, array(
    select ap.application_id::text from application_practices as ap
    where ap.practice_id = p.id order by ap.application_id limit 100) as applications
  from practices as p where p.id = any ($1::uuid[])`;

/** How many grants of practice $1 to partner $2 open anything, now or later. */
export const openGrantsSql = `
  select count(*)::int as count from grants
  where practice_id = $1 and partner_id = $2 and revoked_at is null
    and coalesce(expires_at, 'infinity') > statement_timestamp()`;

/** Some of the open grants of practice $1 that would need an agreement if every grant did. */
export const bareGrantsSql = `
  select id from grants
  where practice_id = $1 and revoked_at is null and (expires_at is null or expires_at > statement_timestamp())
    and (agreement_reference is null or purpose is null or expires_at is null)
  order by id limit 100`;
