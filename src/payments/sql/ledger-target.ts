/**
 * Where an entry goes: $1 practice, $2 patient or null, $3 account or null. No row: no such practice. One read
 * instead of three (practice, patient, account), because the practice's lock is held meanwhile. With it comes the
 * time by the database's clock, read under that lock, so that entries and their times run alike.
 */
export const ledgerTargetSql = `
  select clock_timestamp() as now, p.time_zone as "timeZone", t.id as "patientId", a.id as "accountId", a.currency
  from practices p
  left join patients t on t.practice_id = p.id and t.id = $2 and t.deleted_at is null
  left join accounts a on a.practice_id = p.id and a.id = coalesce($3, t.account_id)
  where p.id = $1`;
