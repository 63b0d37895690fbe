import type { Holder } from './account.entity.js';

const holderFields = ['givenName', 'familyName', 'email', 'phone'] as const;

/** What really differs between a holder and the one before. Pure. */
export function holderChanges(before: Holder, after: Holder): (keyof Holder)[] {
  return holderFields.filter((field) => before[field] !== after[field]);
}
