export const createReplaySql = `
  insert into replays (id, endpoint_id, state, request, missing, rate_per_second, actor, correlation_id)
  values ($1, $2, 'collecting', $3, $4, $5, $6, $7)
  returning *`;

export const readReplaySql = `select * from replays where id = $1 and endpoint_id = $2`;

export const lockReplaySql = `${readReplaySql} for no key update`;

/** Newest first, below an id where there is one. */
export const listReplaysSql = `
  select * from replays where endpoint_id = $1 and ($2::uuid is null or id < $2::uuid)
  order by id desc limit $3`;
