import {
  hadRestrictedGuarantorSql,
  isRestrictedSql,
} from '../../../platform/access/sql/restricted.js';

/**
 * Whether partners must not hear of an event `e` (its type, practice_id, subject, patient_id, account_id). Whoever shares an
 * account with somebody restricted is not hidden by that; what is said of the account is, entries on it as well. An event
 * that names who answers for an account, or did, is hidden where any who ever did is restricted: which of them it names
 * stands only in its sealed payload, and with an id left out it would no longer be what its schema says.
 *
 * Asked of the practice first: nearly every answer is a look into a partial index that is next to empty.
 */
export const isRestricted = `
  case
    when (
      select true from patients as p where p.practice_id = e.practice_id and p.restricted limit 1) is null then false
    else ${isRestrictedSql('e.patient_id', `(case when e.subject ^@ 'accounts/' then e.account_id end)`)}
      or (e.type in ('account.created', 'account.guarantor_changed') and ${hadRestrictedGuarantorSql('e.account_id')})
  end`;

/** Of some events, given by id, practice, subject, patient, account and type, those that partners must not hear of. */
export const restrictedAmongSql = `
  select e.id
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::text[])
    as e (id, practice_id, subject, patient_id, account_id, type)
  where ${isRestricted}`;
