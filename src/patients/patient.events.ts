import type { AnyNewEvent } from '../events/outbox/outbox.js';
import type { Patient } from './patient.entity.js';
import type { PatientChanges } from './patient.rules.js';

export function patientCreated(patient: Patient): AnyNewEvent {
  return { type: 'patient.created', ...about(patient), data: recordOf(patient) };
}

export function patientDeleted(before: Patient, subjectVersion: number): AnyNewEvent {
  return { type: 'patient.deleted', ...about(before), subjectVersion, data: idsOf(before) };
}

/** One event for each kind of change, however many fields it took. */
export function patientChanged(
  before: Patient,
  after: Patient,
  { record, contact, account, status }: PatientChanges,
): AnyNewEvent[] {
  const events: AnyNewEvent[] = [];
  if (record.length > 0) {
    events.push({
      type: 'patient.updated',
      ...about(after),
      data: { ...recordOf(after), changedFields: record, previous: formerly(before, record) },
    });
  }
  if (contact.length > 0) {
    events.push({
      type: 'patient.contact_changed',
      ...about(after),
      data: {
        ...idsOf(after),
        ...contactOf(after),
        changedFields: contact,
        previous: formerly(before, contact),
      },
    });
  }
  if (account) {
    events.push({
      type: 'patient.account_changed',
      ...about(after),
      data: { ...idsOf(after), previousAccountId: before.accountId },
    });
  }
  if (status) {
    events.push({
      type: statusTypes[after.status],
      ...about(after),
      data: { ...idsOf(after), previousStatus: before.status },
    });
  }
  return events;
}

const statusTypes = {
  active: 'patient.reactivated',
  inactive: 'patient.inactivated',
  deceased: 'patient.deceased',
} as const;

function about({ practiceId, id, version }: Patient) {
  return { practiceId, subjectId: id, subjectVersion: version };
}

function idsOf({ id, accountId, kind, species, externalIds }: Patient) {
  return { patientId: id, accountId, kind, species: species ?? undefined, externalIds };
}

function contactOf({ email, phone }: Patient) {
  return { email: email ?? undefined, phone: phone ?? undefined };
}

function recordOf(patient: Patient) {
  return {
    ...idsOf(patient),
    ...contactOf(patient),
    status: patient.status,
    givenName: patient.givenName,
    familyName: patient.familyName ?? undefined,
    birthDate: patient.birthDate ?? undefined,
    breed: patient.breed ?? undefined,
  };
}

/** Former values of what changed; null says that there was none. */
function formerly<Field extends keyof Patient>(
  before: Patient,
  fields: Field[],
): Pick<Patient, Field> {
  return Object.fromEntries(fields.map((field) => [field, before[field]])) as Pick<Patient, Field>;
}
