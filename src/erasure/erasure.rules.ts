interface Names {
  givenName: string;
  familyName?: string | null;
}

export interface AccountOf {
  id: string;
  holder: Names;
  /** Another patient who is not deleted is on it, or answers for it. */
  isShared: boolean;
}

/**
 * Whether an account goes with its patient: nobody else is on it, and it is in their own name, as one is that was
 * opened with the patient. An account in another's name (an animal's owner, a parent) goes only where that was asked
 * for too. Pure.
 */
export function goesAlong(
  patient: Names,
  { holder, isShared }: AccountOf,
  withAccount: boolean,
): boolean {
  if (isShared) return false;
  return withAccount || (patient.givenName !== '' && nameOf(patient) === nameOf(holder));
}

function nameOf({ givenName, familyName }: Names): string {
  return `${givenName} ${familyName ?? ''}`.trim().toLowerCase();
}
