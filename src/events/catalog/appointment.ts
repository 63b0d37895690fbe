import { event } from './define.js';
import { full, id, minimum, type DataOf } from './fields.js';

const externalIds = () => minimum.list({ system: minimum.text(), value: minimum.text() });
const visitType = () => minimum.object({ code: minimum.text().optional(), name: minimum.text() });
const operatory = () => minimum.object({ id: minimum.text().optional(), name: minimum.text() });
/** Staff, not patients: their names are not what the minimum-necessary rule protects. */
const providers = () =>
  minimum.list({
    id: minimum.text().optional(),
    name: minimum.text(),
    role: minimum.text().optional(),
  });

const appointmentFields = {
  appointmentId: id.uuid(),
  patientId: id.uuid(),
  accountId: id.uuid(),
  sequence: minimum.integer(),
  start: minimum.instant(),
  end: minimum.instant(),
  timeZone: minimum.text(),
  localStart: minimum.localTime(),
  status: minimum.oneOf(
    'proposed',
    'booked',
    'arrived',
    'checked-in',
    'fulfilled',
    'cancelled',
    'noshow',
    'entered-in-error',
  ),
  confirmation: minimum.oneOf('unconfirmed', 'confirmed'),
  seatedAt: minimum.instant().optional(),
  type: visitType().optional(),
  providers: providers(),
  operatory: operatory().optional(),
  /** Another system's number for the booking: identifies nobody without that system's own data. */
  externalIds: externalIds(),
  /** Free text about a patient. */
  note: full.text().optional(),
};

const reminderFields = {
  ...appointmentFields,
  ruleId: id.uuid(),
  leadMinutes: minimum.integer(),
  leadDays: minimum.integer().optional(),
  dueAt: minimum.instant(),
  /** What the practice's wall clock shows at `dueAt`. */
  localTime: minimum.localTime(),
  lateBySeconds: minimum.integer(),
};

const example = {
  appointmentId: '019a0f5e-7c00-7000-8000-000000000031',
  patientId: '019a0f5e-7c00-7000-8000-000000000011',
  accountId: '019a0f5e-7c00-7000-8000-000000000021',
  sequence: 0,
  start: '2026-03-09T14:30:00.000Z',
  end: '2026-03-09T15:00:00.000Z',
  timeZone: 'America/Chicago',
  localStart: '2026-03-09T09:30:00',
  status: 'booked' as const,
  confirmation: 'unconfirmed' as const,
  type: { code: 'D1110', name: 'Adult prophylaxis' },
  providers: [{ id: 'hyg-2', name: 'Ruth Okafor', role: 'hygienist' }],
  operatory: { id: 'op-3', name: 'Operatory 3' },
  externalIds: [{ system: 'open-dental', value: '80231' }],
  note: 'Prefers the chair by the window.',
};
const reminderExample = {
  ...example,
  ruleId: '019a0f5e-7c00-7000-8000-000000000041',
  leadMinutes: 30,
  dueAt: '2026-03-09T14:00:00.000Z',
  localTime: '2026-03-09T09:00:00',
  lateBySeconds: 0,
};

interface Ids {
  appointmentId: string;
  patientId: string;
  accountId: string;
}
const common = {
  version: 1,
  subject: 'appointments' as const,
  links: ({ appointmentId, patientId, accountId }: Ids) => ({
    appointment: `/appointments/${appointmentId}`,
    patient: `/patients/${patientId}`,
    account: `/accounts/${accountId}`,
  }),
};

/** A step in an appointment's life that says no more than how it stands now. */
const step = (description: string, now: Partial<DataOf<typeof appointmentFields>> = {}) =>
  event({
    ...common,
    description,
    fields: appointmentFields,
    example: { ...example, ...now },
  });

export const appointmentEvents = {
  'appointment.requested': step('An appointment was asked for and is not booked yet.', {
    status: 'proposed',
  }),
  'appointment.scheduled': step('An appointment was booked.'),
  'appointment.confirmed': step('The patient confirmed the appointment.', {
    confirmation: 'confirmed',
  }),
  'appointment.unconfirmed': step('A confirmation was taken back.'),
  'appointment.rescheduled': event({
    ...common,
    description:
      'The appointment was moved and keeps its id; it is to be confirmed anew. When the time zone of the practice changes, the wall clock and the confirmation stay and the moment moves.',
    fields: {
      ...appointmentFields,
      previous: minimum.object({ start: minimum.instant(), end: minimum.instant() }),
      reason: full.text().optional(),
      initiatedBy: minimum.oneOf('patient', 'practice').optional(),
    },
    example: {
      ...example,
      sequence: 1,
      previous: { start: '2026-03-06T15:00:00.000Z', end: '2026-03-06T15:30:00.000Z' },
      reason: 'School play on Friday',
      initiatedBy: 'patient',
    },
  }),
  'appointment.providers_changed': event({
    ...common,
    description: 'Somebody else sees the patient.',
    fields: {
      ...appointmentFields,
      changedFields: minimum.changedFields({ providers: 'minimum' }),
      previous: full.object({ providers: providers() }),
    },
    example: {
      ...example,
      changedFields: ['providers'],
      previous: { providers: [{ id: 'hyg-1', name: 'Jo Lindgren', role: 'hygienist' }] },
    },
  }),
  'appointment.operatory_changed': event({
    ...common,
    description: 'The appointment takes place in another room or chair.',
    fields: {
      ...appointmentFields,
      changedFields: minimum.changedFields({ operatory: 'minimum' }),
      previous: full.object({ operatory: operatory().nullable() }),
    },
    example: {
      ...example,
      changedFields: ['operatory'],
      previous: { operatory: { id: 'op-1', name: 'Operatory 1' } },
    },
  }),
  'appointment.updated': event({
    ...common,
    description: 'Type, note, external ids or the name of the time zone changed.',
    fields: {
      ...appointmentFields,
      changedFields: minimum.changedFields({
        type: 'minimum',
        note: 'full',
        externalIds: 'minimum',
        timeZone: 'minimum',
      }),
      previous: full.object({
        type: visitType().nullable().optional(),
        note: full.text().nullable().optional(),
        externalIds: externalIds().optional(),
        timeZone: minimum.text().optional(),
      }),
    },
    example: { ...example, changedFields: ['note'], previous: { note: null } },
  }),
  'appointment.cancelled': event({
    ...common,
    description: 'The appointment will not take place.',
    fields: {
      ...appointmentFields,
      cancelledBy: minimum.oneOf('patient', 'practice').optional(),
      reason: full.text().optional(),
      /** Less than 24 hours before the start. */
      lateCancel: minimum.flag(),
    },
    example: {
      ...example,
      status: 'cancelled',
      cancelledBy: 'patient',
      reason: 'Has a cold',
      lateCancel: true,
    },
  }),
  'appointment.arrived': step('The patient has come.', { status: 'arrived' }),
  'appointment.checked_in': step('The patient is checked in.', { status: 'checked-in' }),
  'appointment.seated': step('The patient is in the chair or the exam room.', {
    status: 'checked-in',
    seatedAt: '2026-03-09T14:34:00.000Z',
  }),
  'appointment.completed': step('The visit is over.', { status: 'fulfilled' }),
  'appointment.no_show': step('The patient did not come.', { status: 'noshow' }),
  'appointment.reopened': event({
    ...common,
    description: 'The last step was a mistake and is undone.',
    fields: {
      ...appointmentFields,
      previous: minimum.object({ status: minimum.text(), seatedAt: minimum.instant().optional() }),
    },
    example: { ...example, previous: { status: 'noshow' } },
  }),
  'appointment.deleted': step('The appointment was entered in error.', {
    status: 'entered-in-error',
    externalIds: [],
    note: undefined,
  }),
  'appointment.reminder_due': event({
    ...common,
    description: "A reminder rule's moment before the appointment has come.",
    fields: reminderFields,
    example: reminderExample,
  }),
  'appointment.reminder_missed': event({
    ...common,
    description: 'A reminder could not fire before the appointment began.',
    fields: reminderFields,
    example: { ...reminderExample, lateBySeconds: 2100 },
  }),
};
