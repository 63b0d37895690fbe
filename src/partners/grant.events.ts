import type { EventData, EventType } from '../events/catalog/catalog.js';
import type { AnyNewEvent } from '../events/outbox/outbox.js';
import type { Grant } from './grant.entity.js';

type GrantEventType = Extract<EventType, `grant.${string}`>;
type Terms = EventData<'grant.created'>;

/** Who hears of a grant: its partner, and the practice's own applications, as events spell owners. */
export interface Audience {
  sandbox: boolean;
  applicationIds: readonly string[];
}

/** One event for each who is to hear of it: an event that is no practice's has one owner. */
export function grantEvents<T extends GrantEventType>(
  type: T,
  grant: Grant,
  { sandbox, applicationIds }: Audience,
  extra: Omit<EventData<T>, keyof Terms>,
): AnyNewEvent[] {
  const owners = [
    `partners/${grant.partnerId}`,
    ...applicationIds.map((id) => `applications/${id}`),
  ];
  const data = { ...termsOf(grant, sandbox), ...extra };
  return owners.map(
    (owner) =>
      ({
        type,
        practiceId: null,
        source: `/${owner}`,
        subjectId: grant.id,
        subjectVersion: grant.version,
        data,
        // The union of types does not survive the spread; the schema is checked where the event is written.
      }) as AnyNewEvent,
  );
}

function termsOf(grant: Grant, sandbox: boolean): Terms {
  const { id, startsAt, expiresAt } = grant;
  return {
    grantId: id,
    practiceId: grant.practiceId,
    partnerId: grant.partnerId,
    sandbox,
    eventTypes: grant.eventTypes,
    payloadMode: grant.payloadMode,
    readMode: grant.readMode,
    agreementReference: grant.agreementReference,
    purpose: grant.purpose,
    startsAt: startsAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
  };
}
