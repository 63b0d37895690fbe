/*
 * The tick's statements. What is due is found outside of any transaction; then, batch by batch, the practices are
 * locked and the rows read again: reading first would fire after a cancellation that is not committed yet, and
 * deadlock with a move, which holds the practice and wants the rows. The locks alone keep the rows as they were read,
 * since whoever changes reminders holds them. Locking the rows as well wrote each of them a second time.
 */

/** What is due, oldest first. $1 now, $2 how many, after what is due at $3 with the id $4. */
export const findDueSql = `
  select id, practice_id as "practiceId", appointment_id as "appointmentId", due_at as "dueAt"
  from appointment_reminders
  where status = 'pending' and due_at <= $1 and (due_at, id) > ($3::timestamptz, $4::bigint)
  order by due_at, id limit $2`;

/** Which of these are owed for more than a second, oldest first. $1 now, $2 ids. */
export const findOverdueSql = `
  select id, practice_id as "practiceId", appointment_id as "appointmentId" from appointment_reminders
  where id = any($2::bigint[]) and status = 'pending' and due_at <= $1::timestamptz - interval '1 second'
  order by due_at, id`;

/**
 * Takes the locks that are free, by the key of `lockPractices`, and names their practices. It does not wait: one that
 * waited for a busy practice (its zone is being changed, say) would keep the others of its batch from writing
 * meanwhile. So two hubs share a burst, too: each takes what the other leaves.
 */
export const lockFreePracticesSql = `
  select id from unnest($1::text[]) as id where pg_try_advisory_xact_lock(hashtextextended(id, 0))`;

/**
 * What was found and is still due, with the appointment and the patient as they are now: the snapshot is younger than
 * the practices' locks. $1 ids, $2 now.
 *
 * Each row is looked up by key, whatever the statistics say: as a join the planner, who does not know how many ids
 * come, compared each of 250 with each (20 ms a batch, now 2) or read a table of 30,000 (12 ms).
 */
export const readDueSql = `
  select r.id as "reminderId", r.sequence as "reminderSequence", r.rule_id as "ruleId",
         r.lead_minutes as "leadMinutes", r.lead_days as "leadDays", r.due_at as "dueAt", r.fire_until as "fireUntil",
         p.account_id as "accountId", p.status as "patientStatus", p.deleted_at is not null as "patientDeleted",
         a.id, a.practice_id as "practiceId", a.patient_id as "patientId", a.start_at as "start", a.end_at as "end",
         a.time_zone as "timeZone", a.local_start as "localStart", a.type, a.providers, a.operatory, a.note,
         a.external_ids as "externalIds", a.status, a.confirmation, a.sequence, a.seated_at as "seatedAt", a.version
  from unnest($1::bigint[]) as due (id)
  cross join lateral (
    select * from appointment_reminders where id = due.id and status = 'pending' and due_at <= $2 limit 1
  ) as r
  cross join lateral (select * from appointments where id = r.appointment_id limit 1) as a
  left join lateral (select * from patients where id = a.patient_id limit 1) as p on true
  order by r.due_at, r.id`;

/** One statement for the batch. $1 now, $2 ids, $3 what became of them, $4 the events that say so. */
export const settleSql = `
  update appointment_reminders as r set status = s.status, settled_at = $1, event_id = s.event_id
  from unnest($2::bigint[], $3::text[], $4::uuid[]) as s (id, status, event_id)
  where r.id = s.id and r.status = 'pending'
  returning r.id`;

/** How long until the next one is due, by the database's clock; below zero where it is late. */
export const nextDueSql = `
  select extract(epoch from due_at - clock_timestamp())::float8 * 1000 as in_ms
  from appointment_reminders where status = 'pending' order by due_at, id limit 1`;
