/*
 * The patient's record, in one transaction under the practice's lock. $1 is the practice, $2 the patient, $3 the
 * accounts that go along.
 */

export const patientSql = `
  select p.account_id, p.given_name, p.family_name, ahead.count as ahead, ahead.first as first_ahead
  from patients as p, lateral (
    select count(*)::int, min(a.start_at) as first from appointments as a
    where a.practice_id = $1 and a.patient_id = $2
      and a.status in ('proposed', 'booked', 'arrived', 'checked-in') and a.start_at > clock_timestamp()
  ) as ahead
  where p.practice_id = $1 and p.id = $2`;

/** The accounts that the patient is or was on. */
export const accountsSql = `
  select a.id, a.holder, a.balance <> 0 as is_open, a.currency,
         exists (
           select from patients as other
           where (other.account_id = a.id or other.id = a.guarantor_patient_id) and other.id <> $2
             and other.deleted_at is null
         ) as is_shared
  from accounts as a
  where a.practice_id = $1 and a.id in (
    select account_id from patients where id = $2
    union select account_id from patient_former_accounts where patient_id = $2)`;

export const findErasureSql = `select * from erasures where practice_id = $1 and patient_id = $2`;

export const beginErasureSql = `
  insert into erasures (practice_id, patient_id, account_ids) values ($1, $2, $3::uuid[]) returning *`;

/** The tombstone that deletion leaves too: ids, and no personal field. */
export const erasePatientSql = `
  update patients
  set given_name = '', family_name = null, birth_date = null, email = null, phone = null, species = null, breed = null,
      external_ids = '[]', version = version + 1, updated_at = clock_timestamp(),
      deleted_at = coalesce(deleted_at, clock_timestamp())
  where practice_id = $1 and id = $2
  returning version, account_id`;

/** Who saw whom in which room and when stays, for the practice's books; what it was about and every text goes. */
export const eraseAppointmentsSql = `
  update appointments
  set note = null, cancel_reason = null, type = null, external_ids = '[]', version = version + 1,
      updated_at = clock_timestamp()
  where practice_id = $1 and patient_id = $2
  returning id`;

/** A name is required of a holder: this one says that there is none. */
export const eraseAccountsSql = `
  update accounts
  set holder = '{"givenName": "erased"}', external_ids = '[]', version = version + 1, updated_at = clock_timestamp()
  where practice_id = $1 and id = any ($2::uuid[])
  returning id`;

/** A patient who is not there any more answers for nothing. */
export const releaseGuarantorSql = `
  update accounts set guarantor_patient_id = null, version = version + 1, updated_at = clock_timestamp()
  where practice_id = $1 and guarantor_patient_id = $2
  returning id, version`;

/** Amounts, days and the numbers that insurers settle by stay, as bookkeeping demands; names and free text go. */
export const eraseEntriesSql = `
  update ledger_entries
  set payer = payer - 'name', description = null, reason = case when reason is not null then 'erased' end
  where practice_id = $1 and (patient_id = $2 or account_id = any ($3::uuid[]))
    and (payer ? 'name' or description is not null or reason <> 'erased')
  returning id`;

/** Their numbers in other systems; of ledger entries they stay, since they name bookings. */
export const eraseExternalIdsSql = `
  delete from external_ids where scope_id = $1 and resource_id = any ($2::uuid[]) returning resource_id`;
