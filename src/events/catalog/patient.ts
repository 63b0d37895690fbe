import { event } from './define.js';
import { full, id, minimum } from './fields.js';

/**
 * Names, dates of birth, addresses and numbers given out by others identify a person (45 CFR 164.514(b)(2)(i)):
 * a patient's number in another system is such a number, so externalIds are `full`. Animals have the same marks:
 * their names lead to their owners.
 */
const patientIds = {
  patientId: id.uuid(),
  accountId: id.uuid(),
  kind: minimum.oneOf('human', 'animal'),
  species: minimum.text().optional(),
  externalIds: full.list({ system: full.text(), value: full.text() }),
};

const patientRecord = {
  ...patientIds,
  status: minimum.oneOf('active', 'inactive', 'deceased'),
  givenName: full.text(),
  familyName: full.text().optional(),
  birthDate: full.date().optional(),
  email: full.text().optional(),
  phone: full.text().optional(),
  breed: minimum.text().optional(),
};

const links = ({ patientId, accountId }: { patientId: string; accountId: string }) => ({
  patient: `/patients/${patientId}`,
  account: `/accounts/${accountId}`,
});

const human = {
  patientId: '019a0f5e-7c00-7000-8000-000000000011',
  accountId: '019a0f5e-7c00-7000-8000-000000000021',
  kind: 'human',
  externalIds: [{ system: 'open-dental', value: '4711' }],
} as const;

const animal = {
  patientId: '019a0f5e-7c00-7000-8000-000000000012',
  accountId: '019a0f5e-7c00-7000-8000-000000000022',
  kind: 'animal',
  species: 'dog',
  externalIds: [{ system: 'ezyvet', value: 'A-2093' }],
} as const;

/** A patient's status alone: what it has become is the type's name. */
function statusEvent(description: string) {
  return event({
    version: 1,
    description,
    subject: 'patients',
    fields: {
      ...patientIds,
      previousStatus: minimum.oneOf('active', 'inactive', 'deceased'),
    },
    links,
    example: { ...human, externalIds: [...human.externalIds], previousStatus: 'active' },
  });
}

export const patientEvents = {
  'patient.created': event({
    version: 1,
    description: 'A patient record was created.',
    subject: 'patients',
    fields: patientRecord,
    links,
    example: {
      ...human,
      externalIds: [...human.externalIds],
      status: 'active',
      givenName: 'Ada',
      familyName: 'Byrne',
      birthDate: '1984-03-09',
      email: 'ada.byrne@example.com',
      phone: '+1 312 555 0142',
    },
  }),

  'patient.updated': event({
    version: 1,
    description:
      'A patient record was corrected or completed: name, date of birth, species, breed, external ids.',
    subject: 'patients',
    fields: {
      ...patientRecord,
      changedFields: minimum.changedFields({
        givenName: 'full',
        familyName: 'full',
        birthDate: 'full',
        species: 'minimum',
        breed: 'minimum',
        externalIds: 'full',
      }),
      previous: full.object({
        givenName: full.text().optional(),
        familyName: full.text().nullable().optional(),
        birthDate: full.date().nullable().optional(),
        species: full.text().nullable().optional(),
        breed: full.text().nullable().optional(),
        externalIds: full.list({ system: full.text(), value: full.text() }).optional(),
      }),
    },
    links,
    example: {
      ...animal,
      externalIds: [...animal.externalIds],
      status: 'active',
      givenName: 'Rufus',
      breed: 'border collie',
      changedFields: ['givenName', 'breed'],
      previous: { givenName: 'Rufuss', breed: null },
    },
  }),

  'patient.contact_changed': event({
    version: 1,
    description: "A patient's e-mail address or telephone number changed.",
    subject: 'patients',
    fields: {
      ...patientIds,
      email: full.text().optional(),
      phone: full.text().optional(),
      // The type's name says all that may be known without the address.
      changedFields: full.changedFields({ email: 'full', phone: 'full' }),
      previous: full.object({
        email: full.text().nullable().optional(),
        phone: full.text().nullable().optional(),
      }),
    },
    links,
    example: {
      ...human,
      externalIds: [...human.externalIds],
      email: 'ada.byrne@example.com',
      phone: '+1 312 555 0177',
      changedFields: ['phone'],
      previous: { phone: '+1 312 555 0142' },
    },
  }),

  'patient.account_changed': event({
    version: 1,
    description: 'A patient moved to another account; for an animal, it has a new owner.',
    subject: 'patients',
    fields: { ...patientIds, previousAccountId: id.uuid() },
    links,
    example: {
      ...animal,
      externalIds: [...animal.externalIds],
      previousAccountId: '019a0f5e-7c00-7000-8000-000000000023',
    },
  }),

  'patient.inactivated': statusEvent('A patient no longer comes to the practice.'),
  'patient.reactivated': statusEvent('A patient is active again.'),
  'patient.deceased': statusEvent('A patient has died. Nothing must remind them of anything.'),

  'patient.deleted': event({
    version: 1,
    description:
      'A patient record was deleted, as one made in error is; its id names nothing any more.',
    subject: 'patients',
    fields: patientIds,
    // The patient is gone; what is left to fetch is the account.
    links: ({ accountId }) => ({ account: `/accounts/${accountId}` }),
    example: { ...human, externalIds: [...human.externalIds] },
  }),

  'patient.erased': event({
    version: 1,
    description:
      'All that the hub kept of a patient was erased, as the law may demand. Whoever had heard of them is asked to erase it too.',
    subject: 'patients',
    fields: { patientId: id.uuid(), accountId: id.uuid() },
    // There is nothing left to fetch of the patient, and of the account perhaps no name.
    links: ({ accountId }) => ({ account: `/accounts/${accountId}` }),
    example: { patientId: human.patientId, accountId: human.accountId },
  }),
};
