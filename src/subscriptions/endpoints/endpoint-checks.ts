import type { Tx } from '../../database/transactions.js';
import { unknownTypes } from '../../events/catalog/unknown-types.js';
import { reaches, type Caller } from '../../platform/access/caller.js';
import { Problem, type ProblemError } from '../../platform/http/problem.js';
import type { WebhookClient } from '../deliveries/webhook-client.js';
import { InvalidWebhookUrl } from '../deliveries/webhook-url.js';
import { filterErrors } from '../filter/filter-rules.js';
import { readAccess, type OwnerKey } from '../reach/reaches.js';
import { over } from '../../database/querying.js';
import type { Reach } from '../reach/reach.js';
import type { EndpointChange } from './endpoint.dto.js';
import type { Endpoint } from './endpoint.entity.js';
import { maskErrors } from './endpoint-headers.js';
import { headerErrors, metadataErrors } from './endpoint-settings.js';
import { modeFaults, narrowestShown, typeFaults, type Wanted } from './granted.rules.js';

/** Who asks for it, and what the endpoint's owner has been granted where the owner is a partner. */
export interface Standing {
  caller: Caller;
  granted?: Reach;
}

/** What decides for an endpoint of the caller's that is made, or for one that there is. */
export async function standingOf(tx: Tx, caller: Caller, current?: Endpoint): Promise<Standing> {
  const [key]: OwnerKey[] = current
    ? await tx.query(`select owner, sandbox from endpoints where id = $1`, [current.id])
    : [{ owner: caller.actor, sandbox: caller.sandbox }];
  if (!key!.owner.startsWith('partners/')) return { caller };
  return { caller, granted: (await readAccess(over(tx), [key!])).of(key!) };
}

/**
 * Checks what the form of a field does not tell: what `faults` has of the address, whether the types and practices
 * exist, whether the headers are the owner's to set, whether the filter names what this endpoint is shown. Absent
 * fields are not looked at; but a filter that stays is, where types or payload mode change under it. A partner may ask
 * for what it was granted, and for less.
 * @throws Problem 422 with every fault at once.
 */
export async function checkEndpoint(
  tx: Tx,
  faults: readonly ProblemError[],
  standing: Standing,
  change: EndpointChange,
  current?: Endpoint,
): Promise<void> {
  const { eventTypes, practiceIds, headers, metadata } = change;
  const typeErrors = unknownTypes(eventTypes ?? [], (i) => ({ pointer: `/eventTypes/${i}` }));
  const unknownPractices = await practiceErrors(tx, standing, practiceIds ?? []);
  const isKnown = typeErrors.length + unknownPractices.length === 0;
  const errors = [
    ...faults,
    ...unreadableFaults(change, current),
    ...typeErrors,
    ...(isKnown ? grantFaults(standing, change, current) : []),
    ...headerErrors(headers ?? {}),
    ...maskErrors(headers ?? {}, current?.headers ?? null),
    ...metadataErrors(metadata ?? {}),
    ...(isKnown ? filterFaults(standing, change, current) : []),
    ...unknownPractices,
  ];
  if (errors.length === 0) return;
  throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors,
  });
}

function grantFaults(
  { granted }: Standing,
  change: EndpointChange,
  current?: Endpoint,
): ProblemError[] {
  if (!granted) return [];
  const wanted = wantedBy(change, current);
  return [
    ...(change.eventTypes ? typeFaults(granted, wanted) : []),
    ...(change.payloadMode ? modeFaults(granted, wanted, change.payloadMode) : []),
  ];
}

function filterFaults(
  { granted }: Standing,
  change: EndpointChange,
  current?: Endpoint,
): ProblemError[] {
  const { filter, eventTypes, payloadMode, practiceIds } = change;
  const deciding = [filter, eventTypes, payloadMode, granted && practiceIds];
  const wantedFilter = filter === undefined ? current?.filter : filter;
  if (deciding.every((each) => each === undefined) || !wantedFilter) return [];
  const wanted = wantedBy(change, current);
  const mode = payloadMode ?? current?.payloadMode ?? 'full';
  const shown = granted ? narrowestShown(granted, wanted, mode) : mode;
  return filterErrors(wantedFilter, wanted.eventTypes, shown);
}

/** What the endpoint asks for after the change. */
export function wantedBy(change: EndpointChange, current?: Endpoint): Wanted {
  const practiceIds =
    change.practiceIds === undefined ? (current?.practiceIds ?? null) : change.practiceIds;
  return {
    eventTypes: change.eventTypes ?? current?.eventTypes ?? [],
    practiceIds: practiceIds && practiceIds.map((id) => id.toLowerCase()),
  };
}

/** Address and headers are sealed together: where that does not open, both are to be given anew. */
function unreadableFaults({ url, headers }: EndpointChange, current?: Endpoint): ProblemError[] {
  if (current?.url !== null || (url === undefined) === (headers === undefined)) return [];
  return [
    url === undefined
      ? {
          pointer: '/url',
          code: 'required',
          detail: 'The address cannot be read any more. Give it with the headers.',
        }
      : {
          pointer: '/headers',
          code: 'required',
          detail:
            'The headers cannot be read any more either. Give them with the address, or null.',
        },
  ];
}

/** What is wrong with an address, if one is given. Asked before the transaction, since it may need a name server. */
export async function urlErrors(
  client: WebhookClient,
  url: string | undefined,
): Promise<ProblemError[]> {
  if (url === undefined) return [];
  try {
    await client.validateUrl(url);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidWebhookUrl)) throw error;
    return [{ pointer: '/url', code: error.code, detail: error.detail }];
  }
}

// One that the caller does not reach, or that has granted nothing, is told as one that does not exist.
async function practiceErrors(
  tx: Tx,
  { caller, granted }: Standing,
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
  const isReached = (id: string): boolean =>
    granted ? granted.practices!.has(id) : reaches(caller, id);
  practiceIds.forEach((id, i) => !isReached(id.toLowerCase()) && places.add(i));
  return [...places]
    .sort((a, b) => a - b)
    .map((place) => ({
      pointer: `/practiceIds/${place}`,
      code: 'unknown_practice',
      detail: 'There is no such practice.',
    }));
}
