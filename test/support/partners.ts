import { asOwner, type Client } from './applications.js';
import type { Api, TestHub } from './start-hub.js';

/** A partner that nobody has granted anything yet. */
export async function aPartner(hub: Api, name = 'Prairie Recalls'): Promise<any> {
  return made(hub, '/v1/partners', { name });
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

export function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString();
}

async function made(hub: Api, path: string, body: object): Promise<any> {
  const answer = await hub.api('POST', path, body);
  if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}
