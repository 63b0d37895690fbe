import type { Statement } from '../../database/transactions.js';

/**
 * Where an entry goes: $1 practice, $2 patient or null, $3 account or null. No row: no such practice. One read
 * instead of three (practice, patient, account), because the practice's lock is held meanwhile. Under it the account
 * stays as it is read here, so that entry and events follow from it without another look.
 */
export const ledgerTarget: Statement = {
  name: 'ledger-target',
  text: `
    select p.time_zone as "timeZone", t.id as "patientId", a.id as "accountId", a.currency, a.balance, a.entries,
           a.version
    from practices p
    left join patients t on t.practice_id = p.id and t.id = $2 and t.deleted_at is null
    left join accounts a on a.practice_id = p.id and a.id = coalesce($3, t.account_id)
    where p.id = $1`,
};
