import type { PayloadMode } from '../../events/catalog/fields.js';
import type { Hearable } from '../reach/reach.js';
import type { Target } from './delivery.js';

/** What a webhook to a partner discloses of a person: goes on record with its result. */
export interface Disclosure {
  partnerId: string;
  patientId: string | null;
  accountId: string | null;
  mode: PayloadMode;
  /** The grant that allows it. */
  grantId: string | null;
}

/** An event, and whom it is about. */
interface Told extends Hearable {
  patientId?: string | null;
  accountId?: string | null;
}

const partners = 'partners/';

/**
 * Undefined for what is about nobody, and for endpoints of the operator and of applications: these work for the
 * practice itself, and what it does with its own records is no disclosure (45 CFR 160.103).
 */
export function disclosureOf(
  { owner, payloadMode, access: { reach } }: Pick<Target, 'owner' | 'payloadMode' | 'access'>,
  event: Told,
): Disclosure | undefined {
  const { practiceId, type, patientId = null, accountId = null } = event;
  if (!reach.isGranted || practiceId === null) return undefined;
  if (patientId === null && accountId === null) return undefined;
  return {
    partnerId: owner.slice(partners.length),
    patientId,
    accountId,
    mode: reach.modeOf(event, payloadMode),
    grantId: reach.grantFor(practiceId, type)?.id ?? null,
  };
}
