/*
 * What something sealed belongs to: it opens nowhere else. Nothing of it is secret, and all of it stands beside what
 * is sealed, so that it need not be kept twice. Parts are divided by line ends, which none of them has.
 */

/** As much of an event as is known before it is written. */
export interface BoundEvent {
  practiceId: string | null;
  type: string;
  subject: string;
  subjectVersion: number | string;
}

/** Two payloads of one type about one version of one subject are told apart by nothing here, and by their nonces. */
export function bindingOfEvent({ practiceId, type, subject, subjectVersion }: BoundEvent): string {
  return `event\n${practiceId}\n${type}\n${subject}\n${subjectVersion}`;
}

export function bindingOfSecret(endpointId: string): string {
  return `endpoint-secret\n${endpointId}`;
}

/** An endpoint's address and own headers. */
export function bindingOfTarget(endpointId: string): string {
  return `endpoint-target\n${endpointId}`;
}

/** @param scope the identity, the route and the Idempotency-Key */
export function bindingOfAnswer(scope: readonly string[]): string {
  return `answer\n${scope.join('\n')}`;
}

/** What a receiver answered to one attempt. */
export function bindingOfResponse(deliveryId: string, number: number): string {
  return `response\n${deliveryId}\n${number}`;
}
