import type { Tx } from '../../database/transactions.js';
import { matchesNothing } from '../../events/catalog/type-patterns.js';
import { Problem, type ProblemError } from '../../platform/http/problem.js';
import type { WebhookClient } from '../deliveries/webhook-client.js';
import { InvalidWebhookUrl } from '../deliveries/webhook-url.js';
import type { EndpointChange } from './endpoint.dto.js';

/**
 * Checks what the form of a field does not tell: whether the address may be called, whether the types and practices
 * exist. Absent fields are not looked at.
 * @throws Problem 422 with every fault at once.
 */
export async function checkEndpoint(
  tx: Tx,
  client: WebhookClient,
  { url, eventTypes, practiceIds }: EndpointChange,
): Promise<void> {
  const errors = [
    ...(url === undefined ? [] : urlErrors(client, url)),
    ...typeErrors(eventTypes ?? []),
    ...(await practiceErrors(tx, practiceIds ?? [])),
  ];
  if (errors.length === 0) return;
  throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors,
  });
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

async function practiceErrors(tx: Tx, practiceIds: readonly string[]): Promise<ProblemError[]> {
  if (practiceIds.length === 0) return [];
  // Plain SQL, because subscriptions know no business module.
  const unknown: { place: number }[] = await tx.query(
    `select place::int from unnest($1::uuid[]) with ordinality as wanted (id, place)
     where not exists (select from practices where practices.id = wanted.id) order by place`,
    [practiceIds],
  );
  return unknown.map(({ place }) => ({
    pointer: `/practiceIds/${place - 1}`,
    code: 'unknown_practice',
    detail: 'There is no such practice.',
  }));
}
