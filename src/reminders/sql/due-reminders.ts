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
 * the practices' locks. $1 ids, $2 their appointments, $3 now.
 *
 * The appointments' ids say nothing new, but with them the planner looks 250 rows up by key where it would otherwise
 * read a table of 30,000 (12 ms against 1 ms a batch).
 */
export const readDueSql = `
  select r.id as "reminderId", r.sequence as "reminderSequence", r.rule_id as "ruleId",
         r.lead_minutes as "leadMinutes", r.lead_days as "leadDays", r.due_at as "dueAt", r.fire_until as "fireUntil",
         p.account_id as "accountId", p.status as "patientStatus", p.deleted_at is not null as "patientDeleted",
         a.id, a.practice_id as "practiceId", a.patient_id as "patientId", a.start_at as "start", a.end_at as "end",
         a.time_zone as "timeZone", a.local_start as "localStart", a.type, a.providers, a.operatory, a.note,
         a.external_ids as "externalIds", a.status, a.confirmation, a.sequence, a.seated_at as "seatedAt", a.version
  from appointment_reminders as r
  join appointments as a on a.id = r.appointment_id
  left join patients as p on p.id = a.patient_id
  where r.id = any($1::bigint[]) and a.id = any($2::uuid[]) and r.status = 'pending' and r.due_at <= $3
  order by r.due_at, r.id`;

/**
 * One statement for the batch. $1 now, $2 ids, $3 what became of them, $4 the events that say so. The ids are given
 * twice for the same reason: without statistics the join alone read the whole table (50 ms against 4).
 */
export const settleSql = `
  update appointment_reminders as r set status = s.status, settled_at = $1, event_id = s.event_id
  from unnest($2::bigint[], $3::text[], $4::uuid[]) as s (id, status, event_id)
  where r.id = s.id and r.id = any($2::bigint[]) and r.status = 'pending'
  returning r.id`;

/** How long until the next one is due, by the database's clock; below zero where it is late. */
export const nextDueSql = `
  select extract(epoch from due_at - clock_timestamp())::float8 * 1000 as in_ms
  from appointment_reminders where status = 'pending' order by due_at, id limit 1`;
