import { eventTypes } from '../../events/catalog/catalog.js';
import { payloadModes, type PayloadMode } from '../../events/catalog/fields.js';
import { matcherOf } from '../../events/catalog/type-patterns.js';
import type { ProblemError } from '../../platform/http/problem.js';
import { narrower, type Reach } from '../reach/reach.js';

/** What an endpoint asks for, as far as grants decide about it. */
export interface Wanted {
  eventTypes: readonly string[];
  /** Null: all practices that have granted anything. */
  practiceIds: readonly string[] | null;
}

/** What tells owners of their own endpoints and grants needs no grant. */
const ownFamilies = ['endpoint.', 'grant.'];

/** Types that no grant covers in any of the practices wanted. Pure. */
export function typeFaults(reach: Reach, { eventTypes, practiceIds }: Wanted): ProblemError[] {
  return eventTypes.flatMap((pattern, i) => {
    const asksForOwn = typesOf([pattern]).length < typesMatching([pattern]).length;
    if (asksForOwn || modesGranted(reach, { eventTypes: [pattern], practiceIds }).size > 0) {
      return [];
    }
    const detail = 'No practice has granted any of this. GET /v1/grants lists what is granted.';
    return [{ pointer: `/eventTypes/${i}`, code: 'not_granted', detail }];
  });
}

/** A payload mode that shows more than any grant for what is wanted. Pure. */
export function modeFaults(reach: Reach, wanted: Wanted, mode: PayloadMode): ProblemError[] {
  const widest = widestGranted(reach, wanted);
  if (widest === undefined || narrower(mode, widest) === mode) return [];
  const detail = `Nothing of what this endpoint asks for is granted in more than ${widest}.`;
  return [{ pointer: '/payloadMode', code: 'not_granted', detail }];
}

/** The payload mode that shows all that is granted of what is wanted; undefined where nothing is. Pure. */
export function widestGranted(reach: Reach, wanted: Wanted): PayloadMode | undefined {
  const modes = modesGranted(reach, wanted);
  return payloadModes.toReversed().find((mode) => modes.has(mode));
}

/** The least that anything wanted is shown in: what a filter names must be in all of it. Pure. */
export function narrowestShown(reach: Reach, wanted: Wanted, mode: PayloadMode): PayloadMode {
  return [...modesGranted(reach, wanted)].reduce(narrower, mode);
}

/** The payload modes in which something wanted is granted. */
function modesGranted(reach: Reach, { eventTypes, practiceIds }: Wanted): Set<PayloadMode> {
  const types = typesOf(eventTypes);
  const modes = new Set<PayloadMode>();
  for (const practiceId of practiceIds ?? reach.practices ?? []) {
    for (const type of types) {
      const grant = reach.grantFor(practiceId, type);
      if (grant) modes.add(grant.mode);
    }
  }
  return modes;
}

function typesMatching(patterns: readonly string[]): string[] {
  return eventTypes.filter(matcherOf(patterns));
}

function typesOf(patterns: readonly string[]): string[] {
  return typesMatching(patterns).filter((type) => !ownFamilies.some((own) => type.startsWith(own)));
}
