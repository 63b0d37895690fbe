import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { Signals } from '../../src/database/signals.js';
import { endingOf, hashOfKey, spellKey } from '../../src/platform/access/api-key.js';
import type { Client } from './applications.js';
import { callApi, type TestHub } from './start-hub.js';

/*
 * Partners and grants straight in the tables, for specs of what the engine makes of them: so a change can be one that
 * no lane has been told of.
 */

export interface Partner extends Client {
  id: string;
}

/** A partner with a live key. */
export async function aPartnerWithKey(hub: TestHub): Promise<Partner> {
  const [id, keyId] = [uuidv7(), uuidv7()];
  const key = spellKey('live', randomBytes(32));
  await hub.database.query(`insert into partners (id, name) values ($1, 'Prairie Recalls')`, [id]);
  await hub.database.query(
    `insert into api_keys (id, owner, name, mode, key_hash, ending, scopes)
     values ($1, $2, 'of a test', 'live', $3, $4, '{read,write}')`,
    [keyId, `partners/${id}`, hashOfKey(key), endingOf(key)],
  );
  return {
    id,
    key,
    keyId,
    api: (method, path, body, headers) => callApi(hub.url, key, method, path, body, headers),
  };
}

export interface GrantTerms {
  eventTypes?: string[];
  payloadMode?: string;
  /** In seconds from now. */
  startsIn?: number;
  endsIn?: number;
}

/** What a practice grants: payments, in full, for a day. @returns the grant's id */
export async function grant(
  hub: TestHub,
  practice: { id: string },
  partner: { id: string },
  terms: GrantTerms = {},
): Promise<string> {
  const { eventTypes = ['payment.*'], payloadMode = 'full', startsIn = 0, endsIn = 86_400 } = terms;
  const id = uuidv7();
  await change(
    hub,
    `insert into grants (id, practice_id, partner_id, event_types, payload_mode, read_mode, agreement_reference, purpose,
                         starts_at, expires_at)
     values ($1, $2, $3, $4, $5, 'none', 'BAA-1', 'billing', now() + make_interval(secs => $6),
             now() + make_interval(secs => $7))`,
    [id, practice.id, partner.id, eventTypes, payloadMode, startsIn, endsIn],
  );
  tell(hub);
  return id;
}

export async function revoke(hub: TestHub, grantId: string): Promise<void> {
  await change(hub, `update grants set revoked_at = clock_timestamp() where id = $1`, [grantId]);
  tell(hub);
}

/** Makes a grant's payload mode another, and tells nobody: fan-out finds it out with the next event, lanes do not. */
export async function narrowSilently(hub: TestHub, grantId: string, mode: string): Promise<void> {
  await change(hub, `update grants set payload_mode = $2 where id = $1`, [grantId, mode]);
}

/** As `narrowSilently`, for a patient who asks not to be told of. */
export async function restrictSilently(hub: TestHub, patient: { id: string }): Promise<void> {
  await change(hub, `update patients set restricted = true where id = $1`, [patient.id]);
}

/** One statement with what every change of access does. */
async function change(hub: TestHub, sql: string, values: unknown[]): Promise<void> {
  await hub.database.query(
    `with changed as (${sql} returning 1)
     update endpoint_set_version
     set version = version + 1, restrictions = restrictions + (select count(*) from changed)`,
    values,
  );
}

function tell(hub: TestHub): void {
  hub.app.get(Signals).emit('access');
}
