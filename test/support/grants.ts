import { v7 as uuidv7 } from 'uuid';
import type { TestHub } from './start-hub.js';

type Database = Pick<TestHub, 'database'>;

/** A partner with a grant of a practice, straight into the tables, for tests of what lies behind the API. */
export async function aGrantedPartner(
  { database }: Database,
  practice: { id: string },
): Promise<{ partnerId: string; grantId: string; actor: string }> {
  const [partnerId, grantId] = [uuidv7(), uuidv7()];
  await database.query(`insert into partners (id, name) values ($1, 'Recall Robin')`, [partnerId]);
  await database.query(
    `insert into grants (id, practice_id, partner_id, event_types, payload_mode, read_mode, agreement_reference, purpose)
     values ($1, $2, $3, '{*}', 'full', 'minimum', 'BAA 2026-7', 'recall letters')`,
    [grantId, practice.id, partnerId],
  );
  return { partnerId, grantId, actor: `partners/${partnerId}` };
}

/** Makes an endpoint a partner's, of live practices. */
export async function giveTo(
  { database }: Database,
  endpoint: { id: string },
  { actor }: { actor: string },
): Promise<void> {
  await database.query(
    `with given as (update endpoints set owner = $2, sandbox = false, version = version + 1 where id = $1)
     update endpoint_set_version set version = version + 1`,
    [endpoint.id, actor],
  );
}
