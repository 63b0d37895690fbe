/** The keys an endpoint's webhooks are signed with at this moment, as they may be shown; the current one first. */
export const signingKeysSql = `
  select endpoint_id, kind, public_key, created_at, expires_at
  from endpoint_secrets
  where endpoint_id = any ($1::uuid[]) and (expires_at is null or expires_at > clock_timestamp())
  order by expires_at is not null, created_at desc, id desc`;

/** Forgets an endpoint's keys that have ended, and with $2 all of them. */
export const forgetKeysSql = `
  delete from endpoint_secrets where endpoint_id = $1 and ($2 or expires_at <= clock_timestamp())`;

/**
 * Puts a new key in the place of the current one. No former key lasts longer than $2 seconds from now; one that was
 * to end sooner still does. Tells when the last of them ends: null where there are none.
 */
export const rotateKeySql = `
  with former as (
    update endpoint_secrets
    set expires_at = least(expires_at, clock_timestamp() + make_interval(secs => $2))
    where endpoint_id = $1
    returning expires_at
  )
  insert into endpoint_secrets (endpoint_id, kind, sealed, public_key) values ($1, $3, $4, $5)
  returning (select max(expires_at) from former) as overlap_ends_at`;
