/**
 * Whether partners must not hear of a patient, or of what is an account's: one that a restricted patient answers for, or
 * that nobody else is on. A deleted patient stays restricted. The one place that says so.
 *
 * Subqueries with a limit, and not EXISTS: they are never turned into a hash of all restricted patients. Not a function
 * of the database either: it would be called for every row, with a plan of its own.
 * @param patient,account SQL of their ids; either may be null
 */
export function isRestrictedSql(patient: string, account: string): string {
  return `(
    coalesce((
      select true from patients as restricted
      where restricted.id = ${patient} and restricted.restricted limit 1), false)
    or coalesce((
      select guarantor.restricted
      from accounts as answered join patients as guarantor on guarantor.id = answered.guarantor_patient_id
      where answered.id = ${account} limit 1), false)
    or coalesce((
      select bool_or(member.restricted) and bool_and(member.restricted or member.deleted_at is not null)
      from patients as member where member.account_id = ${account}), false))`;
}

/**
 * Whether anybody restricted answered for an account before.
 * @param account SQL of its id; may be null
 */
export function hadRestrictedGuarantorSql(account: string): string {
  return `coalesce((
      select true
      from account_former_guarantors as former join patients as restricted on restricted.id = former.patient_id
      where former.account_id = ${account} and restricted.restricted limit 1), false)`;
}
