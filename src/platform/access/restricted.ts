import { Raw, type FindOperator } from 'typeorm';
import { isRestrictedSql } from './sql/restricted.js';

/*
 * Conditions for what partners read: of a patient who asked for that, and of what is theirs, nothing. Decided in the
 * query, so that a page is full whoever is left out of it.
 */

/** On a column that names a patient, or nobody. */
export function ofNobodyRestricted(): FindOperator<string> {
  return Raw((patient) => `not ${isRestrictedSql(patient, 'null')}`);
}

/** On a column that names an account. */
export function onNoRestrictedAccount(): FindOperator<string> {
  return Raw((account) => `not ${isRestrictedSql('null', account)}`);
}
