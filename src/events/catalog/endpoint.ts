import { event } from './define.js';
import { id } from './fields.js';

const endpointId = '019a0f5e-7c00-7000-8000-000000000051';

/** What every event about an endpoint says. */
const standing = {
  endpointId: id.uuid(),
  /** How the newest failed attempt ended, in the hub's words (`timeout`, `http_status`): never what a receiver said. */
  lastError: id.text().nullable(),
  /** The number that the next event for this endpoint gets. */
  nextSequence: id.integer(),
};

const example = { endpointId, lastError: 'timeout', nextSequence: 4712 };

const links = (data: { endpointId: string }) => ({ endpoint: `/endpoints/${data.endpointId}` });

/**
 * For the owner of an endpoint, about it. They concern no practice and tell of no person, so every mode shows all of
 * it.
 */
export const endpointEvents = {
  'endpoint.failing': event({
    version: 1,
    description:
      'An endpoint fails; its deliveries wait, and one of them tries again from time to time.',
    subject: 'endpoints',
    fields: standing,
    links,
    example,
  }),

  'endpoint.disabled': event({
    version: 1,
    description: 'The hub disabled an endpoint. What was open for it waits until it is enabled.',
    subject: 'endpoints',
    fields: { ...standing, reason: id.text() },
    links,
    example: { ...example, reason: 'gone' },
  }),

  'endpoint.recovered': event({
    version: 1,
    description: 'An endpoint that was failing takes deliveries again.',
    subject: 'endpoints',
    fields: standing,
    links,
    example: { ...example, lastError: null },
  }),

  'endpoint.secret_rotated': event({
    version: 1,
    description:
      'An endpoint has a new secret; until the overlap ends, the one before it signs too.',
    subject: 'endpoints',
    fields: {
      ...standing,
      kind: id.oneOf('hmac', 'ed25519'),
      /** Null where the earlier secrets ended at once. */
      overlapEndsAt: id.instant().nullable(),
    },
    links,
    example: {
      ...example,
      lastError: null,
      kind: 'hmac',
      overlapEndsAt: '2026-03-09T14:30:00.000Z',
    },
  }),

  'endpoint.delivery_exhausted': event({
    version: 1,
    description: 'A delivery was given up after its last attempt. It can be resent or replayed.',
    subject: 'endpoints',
    fields: {
      ...standing,
      deliveryId: id.uuid(),
      eventId: id.uuid(),
      eventType: id.text(),
      sequence: id.integer(),
      attempts: id.integer(),
    },
    links: (data) => ({ ...links(data), delivery: `/deliveries/${data.deliveryId}` }),
    example: {
      ...example,
      deliveryId: '019a0f5e-7c00-7000-8000-000000000061',
      eventId: '019a0f5e-7c00-7000-8000-000000000001',
      eventType: 'payment.posted',
      sequence: 4288,
      attempts: 10,
    },
  }),

  'endpoint.replay_completed': event({
    version: 1,
    description: 'A replay to an endpoint came to its end: completed, cancelled or failed.',
    subject: 'endpoints',
    fields: {
      ...standing,
      replayId: id.uuid(),
      /** How many events it was for, and how many of those it put into the queue. */
      matched: id.integer(),
      sent: id.integer(),
      state: id.oneOf('completed', 'cancelled', 'failed'),
    },
    links: (data) => ({
      ...links(data),
      replay: `/endpoints/${data.endpointId}/replays/${data.replayId}`,
    }),
    example: {
      ...example,
      lastError: null,
      replayId: '019a0f5e-7c00-7000-8000-000000000071',
      matched: 1250,
      sent: 1250,
      state: 'completed',
    },
  }),
};
