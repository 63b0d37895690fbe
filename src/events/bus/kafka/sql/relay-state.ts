/*
 * The relay's state lives in one row, and every write names the epoch of the writer's lease: the row lock puts
 * rivals in a queue, and one whose lease has passed to another changes nothing.
 */

/** Without a row yet: the relay of a database that has never been on Kafka. */
export const foundSql = `
  insert into relay_state (topic, partitions, generation, xact_id, seq) values ($1, $2, 0, '0', 0)
  on conflict do nothing`;

export const foundPartitionsSql = `
  insert into relay_partitions (partition, generation, xact_id, seq)
  select partition, 0, '0', 0 from relay_state, generate_series(0, partitions - 1) as partition
  on conflict do nothing`;

/** Fences off whoever was the relay before. */
export const takeOverSql = `update relay_state set epoch = $1 where epoch <= $1`;

export const stateSql = `
  select topic, partitions, generation, xact_id::text, seq::text, lap from relay_state`;

export const partitionsSql = `
  select generation, xact_id::text, seq::text, acked_offset::text from relay_partitions order by partition`;

/** After each acknowledged request: compare-and-set of the cursor, and what each partition got; 1.4 ms for twelve. */
export const moveSql = `
  with moved as (
    update relay_state set generation = $5, xact_id = $6, seq = $7
    where epoch = $1 and (generation, xact_id, seq) = ($2::int, $3::xid8, $4::bigint)
    returning rewind_wanted
  ), published as (
    update relay_partitions as p
    set generation = n.generation, xact_id = n.xact_id, seq = n.seq, acked_offset = n.acked_offset
    from moved, unnest($8::int[], $9::int[], $10::xid8[], $11::bigint[], $12::bigint[])
      as n (partition, generation, xact_id, seq, acked_offset)
    where p.partition = n.partition
  )
  select rewind_wanted from moved`;

export const replaceSql = `
  update relay_state
  set topic = $2, partitions = $3, generation = $4, xact_id = $5, seq = $6, lap = $7, rewind_wanted = false
  where epoch = $1`;

export const dropPartitionsSql = `delete from relay_partitions`;

export const insertPartitionsSql = `
  insert into relay_partitions (partition, generation, xact_id, seq, acked_offset)
  select * from unnest($1::int[], $2::int[], $3::xid8[], $4::bigint[], $5::bigint[])`;

/** Only the present lap's: what an earlier lap lacks has been published again since. */
export const wantRewindSql = `update relay_state set rewind_wanted = true where lap = $1 and not rewind_wanted`;

export const rewindWantedSql = `select rewind_wanted from relay_state`;

/**
 * How long the oldest event waits that is not in the topic yet. By the time in its id, which is when it was written;
 * `time` is when it became true, and that may be long ago.
 */
export const lagSql = `
  select coalesce((
    select extract(epoch from clock_timestamp())
           - ('x' || left(replace(e.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0
    from events as e
    where (e.generation, e.xact_id, e.seq) > (r.generation, r.xact_id, r.seq)
    order by e.generation, e.xact_id, e.seq limit 1
  ), 0)::float8 as seconds
  from relay_state as r`;
