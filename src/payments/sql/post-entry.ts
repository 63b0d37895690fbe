/**
 * One entry and the account it changes, in one statement: the triggers check both against each other when it
 * ends, and the update's row lock gives concurrent entries their order.
 */
export const postEntrySql = `
  with account as (
    update accounts
    set balance = balance + $6::bigint, entries = entries + 1, version = version + 1,
        updated_at = clock_timestamp()
    where practice_id = $2::uuid and id = $3::uuid
    returning balance, entries, version
  ), entry as (
    insert into ledger_entries
      (id, practice_id, account_id, patient_id, kind, amount, currency, ordinal, balance_after,
       posted_on, posted_at, method, payer, claim_id, remittance_id, reason, description, reverses_entry_id,
       external_ids)
    select $1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::text, abs($6::bigint), $7::text,
           account.entries, account.balance,
           $8::date, $9::timestamptz,
           $10::text, $11::jsonb, $12::text, $13::text, $14::text, $15::text, $16::uuid, $17::jsonb
    from account
    returning balance_after
  )
  select entry.balance_after as "balanceAfter", account.version as "accountVersion"
  from entry, account`;
