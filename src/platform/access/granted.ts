import type { PayloadMode } from '../../events/catalog/fields.js';
import { showResource, showsField, type ResourceKind } from '../../events/catalog/resources.js';
import { matcherOf } from '../../events/catalog/type-patterns.js';
import { invalidParameter } from '../http/problem.js';
import { reaches, type Caller } from './caller.js';

export const readModes = ['none', 'minimum', 'full'] as const;
/** The most that a fetch by a partner returns. */
export type ReadMode = (typeof readModes)[number];

/** `all`: as the practice itself sees it, with what no payload mode shows and whomever it is about. */
export type Sight = ReadMode | 'all';

/** What one grant that holds lets a partner hear of and read. */
export class Granted {
  readonly covers: (type: string) => boolean;

  constructor(
    readonly eventTypes: readonly string[],
    readonly payloadMode: PayloadMode,
    readonly readMode: ReadMode,
  ) {
    this.covers = matcherOf(eventTypes);
  }
}

/** All that anything is shown in, from nothing to everything. */
const byWidth: readonly (Sight | PayloadMode)[] = ['none', 'thin', 'minimum', 'full', 'all'];

/** The one that shows more. Pure. */
export function wider<Mode extends Sight | PayloadMode>(a: Mode, b: Mode): Mode {
  return byWidth.indexOf(b) > byWidth.indexOf(a) ? b : a;
}

/**
 * Of some grants the one that decides: the one that shows the most, of equals the first. What is pushed, fetched and
 * read in feeds goes by this rule. Pure.
 */
export function widestOf<Grant>(
  grants: readonly Grant[],
  modeOf: (grant: Grant) => Sight | PayloadMode,
): Grant | undefined {
  return grants.reduce<Grant | undefined>((widest, grant) => {
    if (widest === undefined) return grant;
    return wider(modeOf(widest), modeOf(grant)) === modeOf(widest) ? widest : grant;
  }, undefined);
}

/**
 * How much of a practice's event a caller is shown: of a partner's grants that cover its type the most. Undefined
 * where it may not know of it. Pure.
 */
export function modeOfEvent(
  caller: Caller,
  practiceId: string | null,
  type: string,
): PayloadMode | undefined {
  if (!reaches(caller, practiceId)) return undefined;
  if (caller.kind !== 'partner') return 'full';
  const covering = grantsOf(caller, practiceId).filter(({ covers }) => covers(type));
  return widestOf(covering, ({ payloadMode }) => payloadMode)?.payloadMode;
}

/**
 * How much of a resource a caller reads: a partner where a grant covers any of the types of events that are about such
 * a thing, and then the most of those grants. Pure.
 */
export function sightOf(caller: Caller, practiceId: string, types: readonly string[]): Sight {
  if (caller.kind !== 'partner') return reaches(caller, practiceId) ? 'all' : 'none';
  const covering = grantsOf(caller, practiceId).filter(({ covers }) => types.some(covers));
  return widestOf(covering, ({ readMode }) => readMode)?.readMode ?? 'none';
}

/** A resource as it is seen. Pure. */
export function seen(kind: ResourceKind, resource: object, sight: Sight): object {
  if (sight === 'all') return resource;
  return showResource(kind, resource, sight === 'none' ? 'thin' : sight);
}

/**
 * Lets nobody ask for the value of a field that they do not see.
 * @throws Problem 422 where any of the sights hides the field
 */
export function assertMayAskFor(
  parameter: string,
  kind: ResourceKind,
  field: string,
  sights: readonly Sight[],
): void {
  const isHidden = (sight: Sight) =>
    sight !== 'all' && sight !== 'none' && !showsField(kind, field, sight);
  if (!sights.some(isHidden)) return;
  const detail = `What is granted to you does not show ${field}, so that you cannot ask for it.`;
  throw invalidParameter(parameter, 'field_hidden', detail);
}

function grantsOf(caller: Caller, practiceId: string | null): readonly Granted[] {
  if (practiceId === null || !reaches(caller, practiceId)) return [];
  return caller.grants?.get(practiceId) ?? [];
}
