/*
 * Planning is reconciling: whatever made it necessary (booking, move, cancellation, other rules, another zone), the
 * statement below takes what there should be now and leaves the rows so. One statement for any number of
 * appointments, since a change of rules plans a whole practice.
 */

/**
 * $1 appointments, $2 their practice, $3 now; $4..$11 what there should be, one array per column.
 *
 * Waiting rows that should not be are superseded. A row that should be is made, or comes back:
 * - what fired or was missed never changes again: a rule's identity is its lead, so an edit repeats nothing;
 * - a row whose moment stays as it was keeps its status too: a decision made when it was late stands, and one that
 *   the hub was down for still fires late. Only what was superseded (cancelled and reopened) is decided anew.
 */
export const planRemindersSql = `
  with wanted as (
    select * from unnest($4::uuid[], $5::int[], $6::text[], $7::uuid[], $8::int[], $9::int[],
                         $10::timestamptz[], $11::timestamptz[], $12::text[])
      as w (appointment_id, sequence, lead, rule_id, lead_minutes, lead_days, due_at, fire_until, status)
  ), superseded as (
    update appointment_reminders as r set status = 'superseded', settled_at = $3
    where r.appointment_id = any($1::uuid[]) and r.status = 'pending'
      and not exists (
        select from wanted as w
        where w.appointment_id = r.appointment_id and w.sequence = r.sequence and w.lead = r.lead)
  )
  insert into appointment_reminders as r
    (practice_id, appointment_id, sequence, lead, rule_id, lead_minutes, lead_days, due_at, fire_until, status,
     settled_at)
  select $2, appointment_id, sequence, lead, rule_id, lead_minutes, lead_days, due_at, fire_until, status,
         case when status <> 'pending' then $3::timestamptz end
  from wanted
  on conflict (appointment_id, sequence, lead) do update
    set rule_id = excluded.rule_id, due_at = excluded.due_at, fire_until = excluded.fire_until,
        status = excluded.status, settled_at = excluded.settled_at
    where r.status = 'superseded'
       or (r.status in ('pending', 'skipped') and r.due_at <> excluded.due_at)`;

/**
 * Takes the reminders along into the new sequence of appointments that moved without a change of what the patient was
 * told (their wall clock): what fired is not said again, what was skipped for being late stays so, and what the hub was
 * down for still fires late. $1 appointments, $2 now.
 */
export const carrySql = `
  update appointment_reminders as r set sequence = a.sequence
  from appointments as a
  where a.id = any($1::uuid[]) and r.appointment_id = a.id and r.sequence = a.sequence - 1 and r.status <> 'superseded'
    and (r.status <> 'pending' or r.due_at <= $2)`;

/** A stretch of a practice's bookings that are still ahead. $1 practice, $2 now, $3 after this id, $4 limit. */
export const upcomingBookingsSql = `
  select id, sequence, status, start_at as start, local_start as "localStart"
  from appointments
  where practice_id = $1 and start_at > $2 and status = 'booked' and id > $3
  order by id limit $4`;
