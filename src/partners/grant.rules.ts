import { isDeepStrictEqual } from 'node:util';
import { eventTypes, isOwnersType } from '../events/catalog/catalog.js';
import { matcherOf } from '../events/catalog/type-patterns.js';
import type { ProblemError } from '../platform/http/problem.js';
import type { Grant } from './grant.entity.js';

/** What may be agreed anew while a grant holds. */
export const changeable = [
  'eventTypes',
  'payloadMode',
  'readMode',
  'agreementReference',
  'purpose',
  'expiresAt',
] as const;
export type ChangeableTerm = (typeof changeable)[number];

export type Terms = Pick<Grant, ChangeableTerm | 'startsAt'>;

/**
 * What is wrong with the terms of a grant, all of it at once. Pure.
 * @param needsAgreement whether the practice lets nobody in without a contract, a purpose and an end
 * @param now by the database's clock
 */
export function termsFaults(terms: Terms, needsAgreement: boolean, now: Date): ProblemError[] {
  return [
    ...terms.eventTypes.flatMap(typeFault),
    ...textFault('agreementReference', terms.agreementReference, needsAgreement),
    ...textFault('purpose', terms.purpose, needsAgreement),
    ...endFault(terms, needsAgreement, now),
  ];
}

// Events of no practice go to whom they are about; nobody grants them.
const grantable = eventTypes.filter((type) => !isOwnersType(type));

function typeFault(pattern: string, place: number): ProblemError[] {
  if (grantable.some(matcherOf([pattern]))) return [];
  const detail = 'No event of a practice has this type. GET /v1/event-types lists what there is.';
  return [{ pointer: `/eventTypes/${place}`, code: 'unknown_event_type', detail }];
}

function textFault(
  name: 'agreementReference' | 'purpose',
  text: string | null,
  isNeeded: boolean,
): ProblemError[] {
  const pointer = `/${name}`;
  if (text === null) return isNeeded ? [required(name)] : [];
  if (text.trim() !== '') return [];
  return [{ pointer, code: 'blank', detail: `${name} must say something.` }];
}

function endFault({ startsAt, expiresAt }: Terms, isNeeded: boolean, now: Date): ProblemError[] {
  if (expiresAt === null) return isNeeded ? [required('expiresAt')] : [];
  const pointer = '/expiresAt';
  if (expiresAt <= now) {
    return [{ pointer, code: 'in_the_past', detail: 'expiresAt must lie in the future.' }];
  }
  if (expiresAt > startsAt) return [];
  return [{ pointer, code: 'ends_before_start', detail: 'expiresAt must lie after startsAt.' }];
}

function required(name: string): ProblemError {
  const detail = `Grants of this practice need ${name}.`;
  return { pointer: `/${name}`, code: 'agreement_required', detail };
}

/** The terms that really differ; one sent with the value it has is no change. Pure. */
export function changedTerms(before: Terms, after: Terms): ChangeableTerm[] {
  return changeable.filter((name) => !isDeepStrictEqual(before[name], after[name]));
}
