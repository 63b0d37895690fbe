import type { Statement } from '../../database/transactions.js';

/**
 * One entry and the account it changes, in one statement: the triggers check both against each other when it ends.
 * The entry's place and balance were reckoned from the account as it was read under the practice's lock ($20 its
 * version); of an account that had changed all the same, the triggers would refuse the entry.
 */
export const postEntry: Statement = {
  name: 'post-entry',
  text: `
    with account as (
      update accounts
      set balance = $9::bigint, entries = $8::int, version = version + 1, updated_at = clock_timestamp()
      where practice_id = $2::uuid and id = $3::uuid and version = $20::int
    )
    insert into ledger_entries
      (id, practice_id, account_id, patient_id, kind, amount, currency, ordinal, balance_after,
       posted_on, posted_at, method, payer, claim_id, remittance_id, reason, description, reverses_entry_id,
       external_ids)
    values ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5, $6::bigint, $7, $8::int, $9::bigint,
            $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::jsonb)`,
};
