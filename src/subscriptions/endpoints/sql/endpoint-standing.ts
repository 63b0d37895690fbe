/** What every event about an endpoint says, as the transaction sees it. */
export const standingSql = `
  select e.id, e.owner, e.version, h.last_error, (coalesce(c.last_sequence, 0) + 1)::text as next_sequence
  from endpoints as e
  left join endpoint_counters as c on c.endpoint_id = e.id
  left join endpoint_health as h on h.endpoint_id = e.id
  where e.id = any($1::uuid[]) and e.deleted_at is null`;
