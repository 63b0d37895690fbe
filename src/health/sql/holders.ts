/**
 * What the operator should know of the log: parked events, and whose transaction holds the horizon back, in any
 * database of the cluster, prepared ones included. Other roles' sessions show only with `pg_read_all_stats`.
 * Ten seconds are far beyond any transaction of the hub.
 */
export const holdersSql = `
  select (select count(*)::int from parked_events) as parked,
         coalesce((select jsonb_agg(jsonb_build_object('holder', holder, 'since', since) order by since)
                   from hub_horizon_holders()), '[]') as holders`;
