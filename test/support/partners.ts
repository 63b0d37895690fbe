import { asOwner, type Client } from './applications.js';
import type { Api, TestHub } from './start-hub.js';

export interface Partner extends Client {
  id: string;
}

/** A partner that nobody has granted anything yet. */
export async function aPartner(hub: Api, name = 'Prairie Recalls'): Promise<any> {
  return made(hub, '/v1/partners', { name });
}

/** One with a live key. */
export async function aPartnerWithKey(hub: Pick<TestHub, 'url' | 'api'>): Promise<Partner> {
  const partner = await aPartner(hub);
  return { ...(await asPartner(hub, partner)), id: partner.id };
}

/** A client with a new key of that partner, made by the operator. */
export function asPartner(
  hub: Pick<TestHub, 'url' | 'api'>,
  partner: { id: string },
  change: object = {},
): Promise<Client> {
  return asOwner(hub, `partners/${partner.id}`, change);
}

/** What a practice grants a partner: payments, in minimum, for a year, under an agreement. */
export async function aGrant(
  client: Api,
  practice: { id: string },
  partner: { id: string },
  change: object = {},
): Promise<any> {
  const terms = {
    partnerId: partner.id,
    eventTypes: ['payment.*'],
    payloadMode: 'minimum',
    readMode: 'minimum',
    agreementReference: 'BAA-2026-117',
    purpose: 'Reconciliation of card payments',
    expiresAt: inDays(365),
  };
  return made(client, `/v1/practices/${practice.id}/grants`, { ...terms, ...change });
}

/** Ends a grant at once. */
export async function revoke(
  hub: Api,
  { id, practiceId }: { id: string; practiceId: string },
): Promise<void> {
  const path = `/v1/practices/${practiceId}/grants/${id}`;
  const { status, body } = await hub.api('DELETE', path, undefined, { 'if-match': '*' });
  if (status !== 204) throw new Error(`${path}: ${JSON.stringify(body)}`);
}

/**
 * Makes a grant's payload mode another, straight in the table, and tells nobody: fan-out finds it out with the next
 * event, lanes do not.
 */
export async function narrowSilently(
  hub: TestHub,
  grant: { id: string },
  mode: string,
): Promise<void> {
  await changeSilently(hub, `update grants set payload_mode = $2 where id = $1`, [grant.id, mode]);
}

/** As `narrowSilently`, for a patient who asks not to be told of. */
export async function restrictSilently(hub: TestHub, patient: { id: string }): Promise<void> {
  await changeSilently(hub, `update patients set restricted = true where id = $1`, [patient.id]);
}

/** One statement with what every change of access does. */
async function changeSilently(hub: TestHub, sql: string, values: unknown[]): Promise<void> {
  await hub.database.query(
    `with changed as (${sql} returning 1)
     update endpoint_set_version
     set version = version + 1, restrictions = restrictions + (select count(*) from changed)`,
    values,
  );
}

export function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString();
}

async function made(hub: Api, path: string, body: object): Promise<any> {
  const answer = await hub.api('POST', path, body);
  if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}
