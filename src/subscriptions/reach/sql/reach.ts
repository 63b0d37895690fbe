/**
 * What some owners' endpoints may hear of, with the versions under which that holds, in one snapshot. `changes_in_ms`:
 * when the clock alone changes it, because a grant begins or ends. One row per owner, however many endpoints each has:
 * 50 partners with 100 grants each are 5,000 grants, read in 25 ms.
 */
export const reachSql = `
  select v.version::text, v.restrictions::text,
         hub_reach(asked.owner, null, asked.sandbox)::text as reach,
         (select extract(epoch from min(moment.at) - statement_timestamp()) * 1000
          from grants as g cross join lateral (values (g.starts_at), (g.expires_at)) as moment (at)
          where g.partner_id = case when asked.owner ~ '^partners/[0-9a-f-]{36}$' then substr(asked.owner, 10)::uuid end
            and g.revoked_at is null and moment.at > statement_timestamp())::float8 as changes_in_ms
  from unnest($1::text[], $2::boolean[]) with ordinality as asked (owner, sandbox, place)
  cross join endpoint_set_version as v
  order by asked.place`;

/** The versions alone: of the endpoints and what they may hear of, and of whom not to tell of. */
export const versionsSql = `select version::text, restrictions::text from endpoint_set_version`;
