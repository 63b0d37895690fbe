/**
 * What the operator should know of the log: parked events, and whose transaction holds the horizon back, in any
 * database of the cluster, prepared ones included. Other roles' sessions show only with `pg_read_all_stats`.
 * Ten seconds are far beyond any transaction of the hub.
 */
export const holdersSql = `
  with holders as (
    select coalesce(nullif(application_name, ''), usename, 'unknown') || ' (pid ' || pid || ')' as holder,
           xact_start as since
    from pg_stat_activity
    where backend_xid is not null and xact_start < now() - interval '10 seconds'
    union all
    select 'prepared transaction ' || gid, prepared from pg_prepared_xacts
    where prepared < now() - interval '10 seconds'
  )
  select (select count(*)::int from parked_events) as parked,
         coalesce((select jsonb_agg(jsonb_build_object('holder', holder, 'since', since) order by since)
                   from holders), '[]') as holders`;
