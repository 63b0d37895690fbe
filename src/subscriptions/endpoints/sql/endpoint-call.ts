/**
 * Everything that is needed to call an endpoint, for whoever comes first: until the call is over or cannot be under
 * way any more, nobody else gets a row. A mark and not a lock, because no connection is held during the call. $2 is
 * the usual time-out in seconds; the rest is for what comes before and after the request.
 */
export const claimCallSql = `
  update endpoints as e
  set called_until = clock_timestamp() + make_interval(secs => coalesce(timeout_seconds, $2) + 10)
  where id = $1 and deleted_at is null and (called_until is null or called_until < clock_timestamp())
  returning e.owner, e.ownership, e.sealed_target, e.event_types, e.payload_mode, e.content_type, e.timeout_seconds,
    called_until::text as claim,
    (select array_agg(sealed order by expires_at is not null, created_at desc, id desc)
     from endpoint_secrets
     where endpoint_id = e.id and (expires_at is null or expires_at > clock_timestamp())) as secrets`;

/** The call is over; one that has taken its place since goes on. */
export const endCallSql = `update endpoints set called_until = null where id = $1 and called_until::text = $2`;
