import type { Scope } from './api-key.js';

/** Who calls, as the access guard found out. */
export interface Caller {
  kind: 'operator' | 'application' | 'partner';
  /** Tells identities apart: idempotency keys belong to one. As its events and endpoints name it. */
  actor: string;
  /** The practices it reaches; null where that is all of them. */
  practices: ReadonlySet<string> | null;
  /** Whether those are sandboxes; null for the operator, who reaches both. */
  sandbox: boolean | null;
  scopes: readonly Scope[];
  /** Of the key it called with; the operator's has none. */
  keyId?: string;
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
