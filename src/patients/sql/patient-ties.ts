/**
 * What keeps a patient from being deleted: $1 practice, $2 patient, $3 their account. Asked of the tables and not
 * of their modules, which depend on patients themselves.
 *
 * Entries made on the account as a whole count where nobody else is on it: they are about this patient then.
 */
export const patientTiesSql = `
  select
    exists (
      select from ledger_entries e
      where e.practice_id = $1 and e.patient_id = $2
    ) or (
      exists (select from ledger_entries e where e.account_id = $3)
      and not exists (
        select from patients p where p.account_id = $3 and p.id <> $2 and p.deleted_at is null
      )
    ) as entries,
    exists (
      select from appointments a
      where a.practice_id = $1 and a.patient_id = $2
        and a.status in ('proposed', 'booked', 'arrived', 'checked-in') and a.start_at > clock_timestamp()
    ) as appointments`;
