/** Of these keys of an endpoint, those that an earlier delivery holds up: one that failed, or others that wait. */
export const heldUpSql = `
  select key from unnest($2::text[]) as key
  where exists (select from delivery_retries as r where r.endpoint_id = $1 and r.order_key = key)
     or exists (select from delivery_followers as f where f.endpoint_id = $1 and f.order_key = key)`;

/** Puts deliveries aside until their key goes on. Twice is once; one that was settled meanwhile stays out. */
export const parkSql = `
  insert into delivery_followers (delivery_id, endpoint_id, order_key, sequence, event_id)
  select d.id, d.endpoint_id, parked.key, d.sequence, d.event_id
  from unnest($1::uuid[], $2::text[]) as parked (id, key)
  join deliveries as d on d.id = parked.id and d.status = 'pending'
  on conflict (delivery_id) do nothing`;

/**
 * The next ones of a key that goes on, at most $3. Only up to $4, the number through which the stream has been looked
 * through: an earlier one of the key may stand behind it still, to be read again. None while one of the key waits for
 * another attempt: it may have failed since somebody found that nothing holds the key up.
 */
export const releaseSql = `
  select f.delivery_id as id, f.sequence::text, f.event_id, f.order_key, d.status, f.sequence <= $4::bigint as is_due
  from (
    select delivery_id, sequence, event_id, order_key from delivery_followers
    where endpoint_id = $1 and order_key = $2
      and not exists (select from delivery_retries as r where r.endpoint_id = $1 and r.order_key = $2)
    order by sequence limit $3
  ) as f
  left join lateral (select status from deliveries where id = f.delivery_id limit 1) as d on true
  order by f.sequence`;

export const forgetFollowersSql = `delete from delivery_followers where delivery_id = any ($1::uuid[])`;

/**
 * Keys with followers that nothing holds up any more: their head was settled by a hub that died before it went on, or
 * a window was forgotten with it, or the endpoint is not ordered any more. One index descent for each key, however
 * many follow behind one. $3: as in `releaseSql`; $4: after this key.
 */
export const orphanKeysSql = `
  with recursive keys (key, sequence) as (
    (select order_key, sequence from delivery_followers
     where endpoint_id = $1 and order_key > $4 order by order_key, sequence limit 1)
    union all
    select next.order_key, next.sequence
    from keys cross join lateral (
      select order_key, sequence from delivery_followers
      where endpoint_id = $1 and order_key > keys.key order by order_key, sequence limit 1
    ) as next
  )
  select key from keys
  where sequence <= $3::bigint
    and not exists (select from delivery_retries as r where r.endpoint_id = $1 and r.order_key = keys.key)
  limit $2`;
