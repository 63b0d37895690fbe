import { event } from './define.js';
import { full, id, minimum } from './fields.js';

const patientFields = {
  patientId: id.uuid(),
  accountId: id.uuid(),
  kind: minimum.oneOf('human', 'animal'),
  species: minimum.text().optional(),
  externalIds: minimum.list({ system: minimum.text(), value: minimum.text() }),
  givenName: full.text(),
  familyName: full.text().optional(),
};

export const patientEvents = {
  'patient.created': event({
    version: 1,
    description: 'A patient record was created.',
    subject: 'patients',
    fields: patientFields,
    links: ({ patientId, accountId }) => ({
      patient: `/patients/${patientId}`,
      account: `/accounts/${accountId}`,
    }),
    example: {
      patientId: '019a0f5e-7c00-7000-8000-000000000011',
      accountId: '019a0f5e-7c00-7000-8000-000000000021',
      kind: 'human',
      externalIds: [{ system: 'open-dental', value: '4711' }],
      givenName: 'Ada',
      familyName: 'Byrne',
    },
  }),
};
