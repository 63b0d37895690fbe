import { isDeepStrictEqual } from 'node:util';
import type { Patient } from './patient.entity.js';

/** What a change of a record is about decides which event tells of it. */
export const recordFields = [
  'givenName',
  'familyName',
  'birthDate',
  'species',
  'breed',
  'externalIds',
] as const;
export const contactFields = ['email', 'phone'] as const;

export type RecordField = (typeof recordFields)[number];
export type ContactField = (typeof contactFields)[number];

export interface PatientChanges {
  record: RecordField[];
  contact: ContactField[];
  account: boolean;
  status: boolean;
  /** No event tells of it: partners would learn by it what they must not. */
  restriction: boolean;
}

/** What really differs; a field sent with the value it has is no change. Pure. */
export function changesBetween(before: Patient, after: Patient): PatientChanges {
  const differs = (field: RecordField | ContactField) =>
    !isDeepStrictEqual(comparable(before[field]), comparable(after[field]));
  return {
    record: recordFields.filter(differs),
    contact: contactFields.filter(differs),
    account: before.accountId !== after.accountId,
    status: before.status !== after.status,
    restriction: before.restricted !== after.restricted,
  };
}

// The order in which a patient's external ids are listed means nothing.
function comparable(value: Patient[RecordField | ContactField]): unknown {
  if (!Array.isArray(value)) return value;
  return value.map(({ system, value: number }) => `${system}|${number}`).sort();
}

export function changesNothing(changes: PatientChanges): boolean {
  const { record, contact, account, status, restriction } = changes;
  return record.length + contact.length === 0 && !account && !status && !restriction;
}

export interface Fault {
  pointer: string;
  code: string;
  detail: string;
}

/** Every animal has a species, and no human has one or a breed. Pure. */
export function speciesFault({
  kind,
  species,
  breed,
}: Partial<Pick<Patient, 'kind' | 'species' | 'breed'>>): Fault | undefined {
  if (kind === 'animal') {
    if (species) return undefined;
    return { pointer: '/species', code: 'species_required', detail: 'An animal needs a species.' };
  }
  const field = species ? 'species' : breed ? 'breed' : undefined;
  if (!field) return undefined;
  return { pointer: `/${field}`, code: 'animals_only', detail: `Only an animal has a ${field}.` };
}

/** Who a new patient's account is made out to. Pure. */
export function accountFault({
  accountId,
  owner,
}: {
  accountId?: string;
  owner?: object;
}): Fault | undefined {
  if (accountId && owner) {
    return {
      pointer: '/owner',
      code: 'account_or_owner',
      detail: 'Give either accountId or owner, not both.',
    };
  }
  return undefined;
}
