/** The endpoints of a batch with what is known of their health, held until the transaction ends. */
export const lockHealthSql = `
  select e.id, e.enabled, h.failing_since is not null as failing, h.open_until is not null as is_open,
         coalesce(h.failing_since < clock_timestamp() - make_interval(days => $2), false) as hopeless
  from endpoints as e
  left join endpoint_health as h on h.endpoint_id = e.id
  where e.id = any ($1::uuid[]) and e.deleted_at is null
  order by e.id
  for no key update of e`;

/** The first failure since the last success stays as it was first written: by it an endpoint is given up. */
export const keepHealthSql = `
  insert into endpoint_health as h
    (endpoint_id, failing_since, open_until, probes_failed, throttled_until, last_error)
  select id, case when failing then clock_timestamp() end,
         clock_timestamp() + make_interval(secs => open_for), probes_failed,
         clock_timestamp() + make_interval(secs => throttled_for), last_error
  from unnest($1::uuid[], $2::boolean[], $3::float8[], $4::int[], $5::float8[], $6::text[])
    as e (id, failing, open_for, probes_failed, throttled_for, last_error)
  on conflict (endpoint_id) do update
  set failing_since = case when excluded.failing_since is not null
                           then coalesce(h.failing_since, excluded.failing_since) end,
      open_until = excluded.open_until, probes_failed = excluded.probes_failed,
      throttled_until = excluded.throttled_until, last_error = excluded.last_error`;

/** All is well: nothing is kept of it. */
export const forgetHealthSql = `delete from endpoint_health where endpoint_id = any ($1::uuid[])`;

export const disableSql = `
  update endpoints
  set enabled = false, disabled_reason = $2, version = version + 1, updated_at = clock_timestamp()
  where id = $1 and enabled`;
