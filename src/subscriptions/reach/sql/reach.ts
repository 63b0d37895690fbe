/**
 * What some owners' endpoints may hear of, with the versions under which that holds, in one snapshot. `changes_in_ms`:
 * when the clock alone changes it, because a grant begins or ends. One row per owner, however many endpoints each has:
 * 5,000 grants of 50 partners with 2,000 endpoints take 170 ms after a change, on a machine with as much else to do; for
 * each endpoint by itself they took forty times as many rows.
 */
export const reachSql = `
  select v.version::text, v.restrictions::text,
         hub_reach(asked.owner, null, asked.sandbox)::text as reach,
         (select extract(epoch from min(moment.at) - statement_timestamp()) * 1000
          from grants as g cross join lateral (values (g.starts_at), (g.expires_at)) as moment (at)
          where g.partner_id = case when asked.owner ~ '^partners/[0-9a-f-]{36}$' then substr(asked.owner, 10)::uuid end
            and g.revoked_at is null and coalesce(g.expires_at, 'infinity') > statement_timestamp()
            and moment.at > statement_timestamp())::float8 as changes_in_ms
  from unnest($1::text[], $2::boolean[]) with ordinality as asked (owner, sandbox, place)
  cross join endpoint_set_version as v
  order by asked.place`;

/** The versions alone: of the endpoints and what they may hear of, and of whom not to tell of. */
export const versionsSql = `select version::text, restrictions::text from endpoint_set_version`;
