import type { Statement } from '../../database/transactions.js';

/**
 * Somebody is restricted, or what is restricted belongs to another account: every hub looks anew at what partners may
 * hear of, and at what it holds for them in memory. The last statement of its transaction: the row is one for all.
 */
export const restrictAnew: Statement = {
  name: 'restrict-anew',
  text: `update endpoint_set_version set version = version + 1, restrictions = restrictions + 1`,
};

/** The same where this patient is restricted: what is said of an account that they answer for is not for partners. */
export const restrictAnewFor: Statement = {
  name: 'restrict-anew-for',
  text: `${restrictAnew.text} where exists (select from patients where id = $1::uuid and restricted)`,
};

/** The same where somebody restricted is on this account, whom another one left, perhaps alone on it. */
export const restrictAnewOn: Statement = {
  name: 'restrict-anew-on',
  text: `${restrictAnew.text} where exists (select from patients where account_id = $1::uuid and restricted)`,
};
