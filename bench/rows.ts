import type { Pool } from 'pg';

/** Of one statement: bounds what it holds in memory, and lets a run be interrupted. */
const rowsAtOnce = 100_000;
const weeks = 6;
const dayMs = 86_400_000;

/** Partitions for the weeks before those that the hub has made, named as its housekeeping names them. */
export async function makePastPartitions(database: Pool): Promise<void> {
  const { rows } = await database.query<{ first: string }>(
    `select min(substring(c.relname from '_(\\d{8})_\\d{8}$')) as first
     from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
     where i.inhparent = 'deliveries'::regclass`,
  );
  const first = rows[0]!.first.replace(/(....)(..)(..)/, '$1-$2-$3');
  for (let week = 0; week < weeks; week += 1) {
    const to = new Date(Date.parse(`${first}T00:00:00Z`) - week * 7 * dayMs);
    const from = new Date(to.getTime() - 7 * dayMs);
    const name = `deliveries_${stamp(from)}_${stamp(to)}`;
    const bounds = await database.query(
      `select hub_uuid_v7_floor($1) as from, hub_uuid_v7_floor($2) as to`,
      [from, to],
    );
    await database.query(
      `create table ${name} partition of deliveries
       for values from ('${bounds.rows[0].from}') to ('${bounds.rows[0].to}') with (fillfactor = 50)`,
    );
  }
}

/**
 * Delivered deliveries of the weeks before today, half of them of one endpoint, the others of endpoints that are gone.
 * Call it while no hub runs: the endpoint's counter and mark move with them.
 */
export async function addHistory(database: Pool, endpointId: string, count: number): Promise<void> {
  await inPieces(count, (size) =>
    database.query(
      `with numbered as (
         update endpoint_counters set last_sequence = last_sequence + $2::int / 2
         where endpoint_id = $1 returning last_sequence - $2::int / 2 as before, last_sequence
       ),
       marked as (
         insert into endpoint_progress (endpoint_id, attempted_through) select $1, last_sequence from numbered
         on conflict (endpoint_id) do update set attempted_through = excluded.attempted_through
       )
       insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id, status, attempts,
                               last_attempt_at, last_duration_ms, last_outcome, last_status_code)
       select ${idOf(`date_trunc('day', now()) - interval '${weeks} weeks' * (1 - n::float8 / $2::int)`)},
              case when n % 2 = 1 then $1::uuid
                   else md5((n % 18)::text)::uuid end,
              case when n % 2 = 1 then before + (n + 1) / 2 else n end,
              gen_random_uuid(), 'charge.posted', gen_random_uuid(), 'delivered', 1, now(), 3, 'succeeded', 204
       from numbered, generate_series(1, $2::int) as n`,
      [endpointId, size],
    ),
  );
}

/** Deliveries of an endpoint that have failed once and wait until tomorrow. */
export async function addRetries(database: Pool, endpointId: string, count: number): Promise<void> {
  await inPieces(count, (size) =>
    database.query(
      `with numbered as (
         update endpoint_counters set last_sequence = last_sequence + $2::int
         where endpoint_id = $1 returning last_sequence - $2::int as before, last_sequence
       ),
       marked as (
         insert into endpoint_progress (endpoint_id, attempted_through) select $1, last_sequence from numbered
         on conflict (endpoint_id) do update set attempted_through = excluded.attempted_through
       ),
       made as (
         insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id, status, attempts,
                                 next_attempt_at, last_attempt_at, last_duration_ms, last_outcome, last_status_code)
         select hub_uuid_v7(), $1::uuid, before + n, hub_uuid_v7(), 'payment.posted', gen_random_uuid(), 'failed', 1,
                now() + interval '1 day', now(), 3, 'http_error', 500
         from numbered, generate_series(1, $2::int) as n
         returning id, endpoint_id, sequence, event_id, attempts, next_attempt_at
       )
       insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
       select * from made`,
      [endpointId, size],
    ),
  );
}

/** Open deliveries of an endpoint, of the events there are, in turn: as if it had been down for long. */
export async function addPending(database: Pool, endpointId: string, count: number): Promise<void> {
  await inPieces(count, (size) =>
    database.query(
      `with numbered as (
         update endpoint_counters set last_sequence = last_sequence + $2::int
         where endpoint_id = $1 returning last_sequence - $2::int as before
       ),
       known as materialized (
         select row_number() over (order by id) - 1 as place, id, practice_id
         from events where type = 'charge.posted'
       ),
       -- Apart, so that the join below compares one column with one expression: as hashes, not each with each.
       total as materialized (select count(*) as events from known)
       insert into deliveries (id, endpoint_id, sequence, event_id, event_type, practice_id)
       select hub_uuid_v7(), $1::uuid, before + n, known.id, 'charge.posted', known.practice_id
       from numbered, total, generate_series(1, $2::int) as n, known
       where known.place = n % total.events`,
      [endpointId, size],
    ),
  );
}

/** What autovacuum and the checkpointer would do at a time of their own, in the middle of what is measured. */
export async function settle(database: Pool): Promise<void> {
  await database.query(`vacuum (analyze) deliveries, delivery_retries, endpoint_counters`);
  await database.query(`checkpoint`);
}

/** A UUIDv7 of a moment (RFC 9562, section 5.7). */
function idOf(moment: string): string {
  return `encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
    substring(int8send((extract(epoch from ${moment}) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid`;
}

async function inPieces(count: number, make: (size: number) => Promise<unknown>): Promise<void> {
  for (let made = 0; made < count; made += rowsAtOnce) {
    await make(Math.min(rowsAtOnce, count - made));
  }
}

function stamp(day: Date): string {
  return day.toISOString().slice(0, 10).replaceAll('-', '');
}
