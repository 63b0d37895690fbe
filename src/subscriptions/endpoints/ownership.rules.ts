import { conflict } from '../../platform/http/problem.js';
import type { Endpoint } from './endpoint.entity.js';

/**
 * Who may have an endpoint called: `assumed`, nobody asked for a proof; `unproven`, its receiver has not answered the
 * challenge for this URL, and until then it stays disabled; `proven`.
 */
export type Ownership = 'assumed' | 'unproven' | 'proven';
export const ownerships: readonly Ownership[] = ['assumed', 'unproven', 'proven'];

/** The `disabledReason` of an endpoint that is enabled as soon as it is proven. */
export const awaitsProof = 'unproven';

type Standing = Pick<Endpoint, 'enabled' | 'ownership' | 'disabledReason'>;

/** How a new endpoint begins. */
export function firstStanding(wish: { enabled?: boolean; ownershipChallenge?: boolean }): Standing {
  const { enabled = true, ownershipChallenge = false } = wish;
  if (!ownershipChallenge) return { enabled, ownership: 'assumed', disabledReason: null };
  return { enabled: false, ownership: 'unproven', disabledReason: enabled ? awaitsProof : null };
}

/**
 * What a change of address or of `enabled` means for an endpoint with a challenge. One that moves has to prove itself
 * again, and is enabled after that if it was, was to be, or is wanted to be now.
 * @throws Problem 409 for enabling one that is unproven.
 */
export function standingAfter(
  endpoint: Standing & Pick<Endpoint, 'url'>,
  { url = endpoint.url, enabled }: { url?: string | null; enabled?: boolean },
): Partial<Standing> {
  if (endpoint.ownership === 'assumed') return {};
  if (url !== endpoint.url) {
    const waits = endpoint.enabled || endpoint.disabledReason === awaitsProof;
    const otherReason = enabled === undefined ? endpoint.disabledReason : null;
    return {
      enabled: false,
      ownership: 'unproven',
      disabledReason: (enabled ?? waits) ? awaitsProof : otherReason,
    };
  }
  if (enabled) assertNotUnproven(endpoint);
  return {};
}

/**
 * Until its receiver has answered, nothing but the challenge goes to an address: no example either, since nobody there
 * has said that they want to be called.
 * @throws Problem 409
 */
export function assertNotUnproven({ ownership }: Pick<Standing, 'ownership'>): void {
  if (ownership !== 'unproven') return;
  throw conflict(
    'ownership_unproven',
    'The receiver has not proven that it wants these webhooks. POST to /v1/endpoints/{id}/verify, which enables the endpoint when the receiver answers the challenge.',
  );
}

/** How an endpoint goes on whose receiver has answered the challenge. */
export function provenStanding({ disabledReason }: Standing): Partial<Standing> {
  const enable = disabledReason === awaitsProof;
  return { ownership: 'proven', ...(enable && { enabled: true, disabledReason: null }) };
}

/**
 * Whether a body is the answer to a challenge: the challenge as text, as JSON string or as the only member of a JSON
 * object. Nothing beside it, because whatever sends back what it gets, such as an echo service, proves nothing.
 */
export function answersChallenge(body: string, challenge: string): boolean {
  if (body.trim() === challenge) return true;
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null) return parsed === challenge;
    const members = Object.entries(parsed);
    return members.length === 1 && members[0]![0] === 'challenge' && members[0]![1] === challenge;
  } catch {
    return false;
  }
}
