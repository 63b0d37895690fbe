import { everything, scopeOfPractices, type Scope as RowScope } from '../../database/scope.js';
import type { Scope } from './api-key.js';
import type { Granted } from './granted.js';

/** Who calls, as the access guard found out. */
export interface Caller {
  kind: 'operator' | 'application' | 'partner';
  /** Tells identities apart: idempotency keys belong to one. As its events and endpoints name it. */
  actor: string;
  /** The practices it reaches; null where that is all of them. */
  practices: ReadonlySet<string> | null;
  /** A partner's, by practice: what grants that hold let it hear of and read (granted.ts). */
  grants?: ReadonlyMap<string, readonly Granted[]>;
  /** Whether those are sandboxes; null for the operator, who reaches both. */
  sandbox: boolean | null;
  scopes: readonly Scope[];
  /** Of the key it called with, or that its token was minted from; the operator's has none. */
  keyId?: string;
  /** It called with a short-lived token, which mints nothing: `narrowed` where that has fewer practices than its key. */
  token?: 'whole' | 'narrowed';
  /** The human for whom an application or partner calls, as it says (`Hub-On-Behalf-Of`). */
  onBehalfOf?: string;
}

export const operator: Caller = {
  kind: 'operator',
  actor: 'operator',
  practices: null,
  sandbox: null,
  scopes: ['read', 'write'],
};

/** Whether a caller may know of what belongs to a practice. What belongs to none is the operator's. */
export function reaches({ practices }: Caller, practiceId: string | null): boolean {
  return practices === null || (practiceId !== null && practices.has(practiceId));
}

/**
 * The caller as a token of its key's lets it in: with no right that the key has not today.
 * @param practiceIds null: all that the key reaches
 */
export function narrowed(
  caller: Caller,
  scopes: readonly Scope[],
  practiceIds: readonly string[] | null,
): Caller {
  const within = practiceIds?.filter((id) => reaches(caller, id));
  return {
    ...caller,
    token: within ? 'narrowed' : 'whole',
    scopes: caller.scopes.filter((scope) => scopes.includes(scope)),
    practices: within ? new Set(within) : caller.practices,
    ...(within &&
      caller.grants && {
        grants: new Map([...caller.grants].filter(([practiceId]) => within.includes(practiceId))),
      }),
  };
}

/** Callers of a key share the set, and an application may have thousands of practices. */
const scopes = new WeakMap<ReadonlySet<string>, RowScope>();

/** All that a caller may see and write, for statements that are not about one practice. */
export function scopeOf({ practices, actor }: Caller): RowScope {
  if (practices === null) return everything;
  const known = scopes.get(practices);
  if (known?.actor === actor) return known;
  const scope = scopeOfPractices(practices, actor);
  scopes.set(practices, scope);
  return scope;
}
