import { isRestrictedSql } from '../../../platform/access/sql/restricted.js';

/**
 * Whether partners must not hear of an event `e` (its practice_id, subject, patient_id, account_id). Whoever shares an
 * account with somebody restricted is not hidden by that; what is said of the account is, entries on it as well.
 *
 * Asked of the practice first: nearly every answer is a look into a partial index that is next to empty.
 */
export const isRestricted = `
  case
    when (
      select true from patients as p where p.practice_id = e.practice_id and p.restricted limit 1) is null then false
    else ${isRestrictedSql('e.patient_id', `(case when e.subject ^@ 'accounts/' then e.account_id end)`)}
  end`;

/** Of some events, given by id, practice, subject, patient and account, those that partners must not hear of. */
export const restrictedAmongSql = `
  select e.id
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[])
    as e (id, practice_id, subject, patient_id, account_id)
  where ${isRestricted}`;
