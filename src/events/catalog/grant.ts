import { event } from './define.js';
import { id } from './fields.js';

const grantId = '019a0f5e-7c00-7000-8000-000000000081';

/** What every event about a grant says: its terms as they stand now. */
const terms = {
  grantId: id.uuid(),
  practiceId: id.uuid(),
  partnerId: id.uuid(),
  /** Whether the practice is a sandbox: then endpoints made with test keys alone hear of it. */
  sandbox: id.flag(),
  eventTypes: id.texts(),
  payloadMode: id.oneOf('thin', 'minimum', 'full'),
  readMode: id.oneOf('none', 'minimum', 'full'),
  agreementReference: id.text().nullable(),
  purpose: id.text().nullable(),
  startsAt: id.instant(),
  /** Null: until it is revoked. */
  expiresAt: id.instant().nullable(),
};

const example = {
  grantId,
  practiceId: '019a0f5e-7c00-7000-8000-000000000002',
  partnerId: '019a0f5e-7c00-7000-8000-000000000003',
  sandbox: false,
  eventTypes: ['payment.*'],
  payloadMode: 'minimum' as const,
  readMode: 'minimum' as const,
  agreementReference: 'BAA-2026-117',
  purpose: 'Reconciliation of card payments',
  startsAt: '2026-03-01T00:00:00.000Z',
  expiresAt: '2027-03-01T00:00:00.000Z',
};

const links = (data: { grantId: string }) => ({ grant: `/grants/${data.grantId}` });

const common = { version: 1, subject: 'grants' as const, links };

/**
 * For the partner that a practice grants something, and for the practice's own applications. They tell of no patient,
 * so every mode shows all of it.
 */
export const grantEvents = {
  'grant.created': event({
    ...common,
    description: 'A practice granted a partner events, and perhaps reads.',
    fields: terms,
    example,
  }),

  'grant.changed': event({
    ...common,
    description: 'A practice changed what it grants, for what purpose, or until when.',
    fields: {
      ...terms,
      changedFields: id.changedFields({
        eventTypes: 'id',
        payloadMode: 'id',
        readMode: 'id',
        agreementReference: 'id',
        purpose: 'id',
        expiresAt: 'id',
      }),
    },
    example: { ...example, changedFields: ['expiresAt' as const] },
  }),

  'grant.revoked': event({
    ...common,
    description: 'A practice took a grant back: what waits to be delivered under it is withheld.',
    fields: { ...terms, revokedAt: id.instant() },
    example: { ...example, revokedAt: '2026-06-01T09:15:00.000Z' },
  }),

  'grant.expiring': event({
    ...common,
    description: 'A grant ends soon. Whoever still needs it agrees on another end.',
    fields: terms,
    example,
  }),
};
