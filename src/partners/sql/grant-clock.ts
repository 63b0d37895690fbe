/* The statement's own time, not the clock's, which may change within it and so takes no index. */

/**
 * Raises the version of the endpoints where a grant has begun or ended by the clock since somebody noticed last, so that
 * every hub looks anew at what partners may hear of. One statement, and the row of the clock is locked first: of hubs
 * that come together one finds something. Both ranges are read by their indexes and hold nothing that was noticed.
 */
export const noticeSql = `
  with noticed as (
    update grant_clock as c set noticed_through = statement_timestamp()
    where exists (
        select from grants
        where revoked_at is null and starts_at > created_at and starts_at > c.noticed_through and starts_at <= statement_timestamp())
      or exists (
        select from grants
        where revoked_at is null and expires_at > c.noticed_through and expires_at <= statement_timestamp())
    returning 1
  )
  update endpoint_set_version set version = version + 1 where exists (select from noticed) returning version`;

/** Grants that end within $1 days and whose partners were not told of this end, the earliest first; up to $2. */
export const endingSoonSql = `
  select id, practice_id as "practiceId" from grants
  where revoked_at is null and expires_at is distinct from expiring_told_for
    and expires_at > statement_timestamp() and expires_at <= statement_timestamp() + make_interval(days => $1)
  order by expires_at limit $2`;

/** Takes those of $1 that are still to be told, in a transaction that holds their practices' locks. */
export const takeEndingSql = `
  update grants as g set expiring_told_for = g.expires_at
  from unnest($1::uuid[]) as found (id)
  where g.id = found.id and g.revoked_at is null and g.expires_at is distinct from g.expiring_told_for
    and g.expires_at > statement_timestamp() and g.expires_at <= statement_timestamp() + make_interval(days => $2)
  returning g.id, g.practice_id as "practiceId", g.partner_id as "partnerId", g.event_types as "eventTypes",
    g.payload_mode as "payloadMode", g.read_mode as "readMode", g.agreement_reference as "agreementReference",
    g.purpose, g.starts_at as "startsAt", g.expires_at as "expiresAt", g.version`;

/** Milliseconds until the clock changes anything the next time; null where it never does. $1: days of notice. */
export const nextMomentSql = `
  select (extract(epoch from least(
    (select starts_at from grants
     where revoked_at is null and starts_at > created_at and starts_at > statement_timestamp()
     order by starts_at limit 1),
    (select expires_at from grants where revoked_at is null and expires_at > statement_timestamp() order by expires_at limit 1),
    (select expires_at - make_interval(days => $1) from grants
     where revoked_at is null and expires_at is distinct from expiring_told_for and expires_at > statement_timestamp()
     order by expires_at limit 1)
  ) - statement_timestamp()) * 1000)::float8 as in_ms`;
