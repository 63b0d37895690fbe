import type { PracticeKind } from './practice.entity.js';

/**
 * Whether every grant of a practice needs an agreement. Those who treat people have no choice: whoever gets a
 * patient's data from them does so under a contract (45 CFR 164.502(e)). Pure.
 */
export function requiresAgreements(kind: PracticeKind, wanted: boolean | undefined): boolean {
  return kind !== 'veterinary' || (wanted ?? false);
}

/** Asked to do without agreements where they are always required. Pure. */
export function agreementsFault(
  kind: PracticeKind,
  wanted: boolean | undefined,
): { pointer: string; code: string; detail: string } | undefined {
  if (kind === 'veterinary' || wanted !== false) return undefined;
  return {
    pointer: '/requiresAgreements',
    code: 'agreements_required',
    detail: 'Grants of a dental or medical practice always need an agreement.',
  };
}
