/** A stretch of what a change of zone moves. $1 practice, $2 now, $3 the new zone, $4 after this id, $5 limit. */
export const appointmentsAheadSql = `
  select a.id, a.practice_id as "practiceId", a.patient_id as "patientId", a.start_at as "start", a.end_at as "end",
         a.time_zone as "timeZone", a.local_start as "localStart", a.type, a.providers, a.operatory, a.note,
         a.external_ids as "externalIds", a.status, a.confirmation, a.sequence, a.seated_at as "seatedAt", a.version,
         p.account_id as "accountId"
  from appointments as a
  join patients as p on p.id = a.patient_id
  where a.practice_id = $1 and a.start_at > $2 and a.time_zone <> $3 and a.id > $4
    and a.status in ('proposed', 'booked', 'arrived', 'checked-in')
  order by a.id limit $5`;

/** $1 the new zone, $2 now; $3..$7 one array per column. One statement: a practice may have thousands ahead. */
export const moveAppointmentsSql = `
  update appointments as a
  set time_zone = $1, start_at = m.start_at, end_at = m.end_at, local_start = m.local_start, sequence = m.sequence,
      version = a.version + 1, updated_at = $2
  from unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::int[])
    as m (id, start_at, end_at, local_start, sequence)
  where a.id = m.id`;
