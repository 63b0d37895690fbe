/**
 * How many of an endpoint's deliveries one filtered page looks at. A filter that hardly anything passes gives a short
 * page with a cursor further on, instead of a request that walks through the whole history. These take 60 ms (of
 * 600,000 in 30 partitions); a page without a filter takes 4 ms, most of it planning.
 */
export const mostScanned = 50_000;

/**
 * Up to $10 deliveries below a number, newest number first. The scan follows `deliveries_stream` and stops as soon as
 * the page is full, or after $9 rows; the row at which it gave up comes last, with `matches` false.
 *
 * - $3, $4: bounds of the ids, which are time-ordered; partitions outside are not opened.
 * - $5: true where only pending ones are wanted; they have an index of their own.
 * - $6 status, $7 names or $8 beginnings of types, practices: null where anything will do.
 *
 * Not a named statement: planned with its values, it drops the conditions that are null and opens no more partitions
 * and indexes than it needs.
 */
export const listDeliveriesSql = `
  select * from (
    select scanned.*,
           ($6::text[] is null or status = any ($6::text[]))
           and ($7::text[] is null or event_type = any ($7::text[]) or event_type ^@ any ($8::text[]))
           and ($11::uuid[] is null or practice_id = any ($11::uuid[])) as matches
    from (
      select d.*, row_number() over (order by sequence desc) as nth
      from deliveries as d
      where endpoint_id = $1 and sequence < $2::bigint
        and ($3::uuid is null or id >= $3::uuid) and ($4::uuid is null or id < $4::uuid)
        and (not $5::boolean or status = 'pending')
      order by sequence desc limit $9::int
    ) as scanned
  ) as seen
  where matches or nth = $9::int
  order by sequence desc limit $10::int`;

export const readDeliverySql = `select * from deliveries where id = $1`;

/** The newest $2 attempts before the last one, which the delivery's own row holds. */
export const earlierAttemptsSql = `
  select number, at, duration_ms, outcome, status_code, error
  from delivery_attempts where delivery_id = $1
  order by number desc limit $2`;
