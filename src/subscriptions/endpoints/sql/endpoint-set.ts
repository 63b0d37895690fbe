/**
 * The endpoint, its counter, and where its stream begins: what was settled before is not for it, whatever is still
 * in flight is. Taken from this statement's own snapshot, so that no event falls between.
 */
export const createEndpointSql = `
  with endpoint as (
    insert into endpoints (id, owner, sealed_target, event_types, practice_ids, payload_mode, enabled, description,
                           version, created_at, updated_at, ownership, disabled_reason, filter, content_type,
                           timeout_seconds, max_concurrency, rate_per_second, ordering, retry_schedule, exclude_own,
                           metadata, sandbox, from_generation, from_xact_id)
    values ($1, $2, $3, $4::text[], $5::uuid[], $6, $7, $8, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
            $22, $23, $24, hub_generation(), pg_snapshot_xmin(pg_current_snapshot()))
    returning id
  ),
  secret as (
    insert into endpoint_secrets (endpoint_id, kind, sealed) select id, 'hmac', $9 from endpoint
  ),
  progress as (
    insert into endpoint_progress (endpoint_id) select id from endpoint
  )
  insert into endpoint_counters (endpoint_id) select id from endpoint`;

/**
 * Makes every hub look at the endpoints anew. The last statement of its transaction, because the row is one for all
 * and whoever changes another endpoint waits for it.
 */
export const raiseSetVersionSql = `update endpoint_set_version set version = version + 1`;

/** Leaves a tombstone. What may be secret goes at once; $3 is the address alone, to say where events went. */
export const buryEndpointSql = `
  with secrets as (delete from endpoint_secrets where endpoint_id = $1),
  health as (delete from endpoint_health where endpoint_id = $1)
  update endpoints
  set deleted_at = $2, updated_at = $2, version = version + 1, enabled = false, disabled_reason = null,
    sealed_target = $3
  where id = $1`;

/**
 * For an endpoint that its owner enables, also one that was not disabled: what was is forgotten, and all of it may be
 * tried at once. Its lane sees by `enabled_at` that it is to forget as well.
 */
export const forgetHealthSql = `
  with health as (delete from endpoint_health where endpoint_id = $1)
  update endpoints set enabled_at = clock_timestamp() where id = $1`;

/**
 * A fan-out that is numbering for this endpoint is waited for; one that comes later finds no counter and writes
 * nothing. So no delivery appears behind the withholding that follows.
 */
export const deleteCounterSql = `delete from endpoint_counters where endpoint_id = $1`;

/** A replay that goes on would bring what the endpoint may no longer have. */
export const endReplaysSql = `
  update replays
  set state = 'failed', failure = 'endpoint_changed', finished_at = clock_timestamp(), updated_at = clock_timestamp(),
      version = version + 1
  where endpoint_id = $1 and state in ('collecting', 'running') and missing`;
