import type { Tx } from '../../database/transactions.js';
import { matchesNothing } from '../../events/catalog/type-patterns.js';
import { reaches, type Caller } from '../../platform/access/caller.js';
import { Problem, type ProblemError } from '../../platform/http/problem.js';
import type { WebhookClient } from '../deliveries/webhook-client.js';
import { InvalidWebhookUrl } from '../deliveries/webhook-url.js';
import { filterErrors } from '../filter/filter-rules.js';
import type { EndpointChange } from './endpoint.dto.js';
import type { Endpoint } from './endpoint.entity.js';
import { maskErrors } from './endpoint-headers.js';
import { headerErrors, metadataErrors } from './endpoint-settings.js';

/**
 * Checks what the form of a field does not tell: whether the address may be called, whether the types and practices
 * exist, whether the headers are the owner's to set, whether the filter names what this endpoint is shown. Absent
 * fields are not looked at; but a filter that stays is, where types or payload mode change under it.
 * @throws Problem 422 with every fault at once.
 */
export async function checkEndpoint(
  tx: Tx,
  client: WebhookClient,
  caller: Caller,
  change: EndpointChange,
  current?: Endpoint,
): Promise<void> {
  const { url, eventTypes, practiceIds, headers, metadata } = change;
  const unknownTypes = typeErrors(eventTypes ?? []);
  const errors = [
    ...(url === undefined ? [] : urlErrors(client, url)),
    ...unknownTypes,
    ...headerErrors(headers ?? {}),
    ...maskErrors(headers ?? {}, current?.headers ?? null),
    ...metadataErrors(metadata ?? {}),
    ...(unknownTypes.length > 0 ? [] : filterFaults(change, current)),
    ...(await practiceErrors(tx, caller, practiceIds ?? [])),
  ];
  if (errors.length === 0) return;
  throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors,
  });
}

function filterFaults(change: EndpointChange, current?: Endpoint): ProblemError[] {
  const { filter, eventTypes, payloadMode } = change;
  const isAsBefore = [filter, eventTypes, payloadMode].every((each) => each === undefined);
  const wanted = filter === undefined ? current?.filter : filter;
  if (isAsBefore || !wanted) return [];
  const types = eventTypes ?? current?.eventTypes ?? [];
  return filterErrors(wanted, types, payloadMode ?? current?.payloadMode ?? 'full');
}

function urlErrors(client: WebhookClient, url: string): ProblemError[] {
  try {
    client.validateUrl(url);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidWebhookUrl)) throw error;
    return [{ pointer: '/url', code: error.code, detail: error.detail }];
  }
}

function typeErrors(eventTypes: readonly string[]): ProblemError[] {
  return eventTypes.flatMap((pattern, i) =>
    matchesNothing(pattern)
      ? {
          pointer: `/eventTypes/${i}`,
          code: 'unknown_event_type',
          detail: 'The hub emits no such event. GET /v1/event-types lists what it emits.',
        }
      : [],
  );
}

// One that the caller does not reach is told as one that does not exist.
async function practiceErrors(
  tx: Tx,
  caller: Caller,
  practiceIds: readonly string[],
): Promise<ProblemError[]> {
  if (practiceIds.length === 0) return [];
  // Plain SQL, because subscriptions know no business module.
  const unknown: { place: number }[] = await tx.query(
    `select place::int from unnest($1::uuid[]) with ordinality as wanted (id, place)
     where not exists (select from practices where practices.id = wanted.id) order by place`,
    [practiceIds],
  );
  const places = new Set(unknown.map(({ place }) => place - 1));
  practiceIds.forEach((id, i) => !reaches(caller, id.toLowerCase()) && places.add(i));
  return [...places]
    .sort((a, b) => a - b)
    .map((place) => ({
      pointer: `/practiceIds/${place}`,
      code: 'unknown_practice',
      detail: 'There is no such practice.',
    }));
}
