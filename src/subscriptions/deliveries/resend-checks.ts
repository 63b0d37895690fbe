import { over } from '../../database/querying.js';
import type { Tx } from '../../database/transactions.js';
import { sealedOf, type EventRow } from '../../events/log/event-rows.js';
import { readEventByIdSql } from '../../events/log/sql/read-log.js';
import type { DataKeys, Lost } from '../../sealing/data-keys.js';
import type { Hearable } from '../reach/reach.js';
import { readAccess, type OwnerKey } from '../reach/reaches.js';
import { hearableSql } from './sql/resend.js';

/** Whether the endpoint of a delivery may hear of its event today. */
export async function mayStillHear(tx: Tx, id: string): Promise<boolean> {
  const [row]: (OwnerKey & Hearable & { restricted: boolean | null })[] = await tx.query(
    hearableSql,
    [id],
  );
  const reach = (await readAccess(over(tx), [row!])).of(row!);
  return reach.covers(row!) && !(reach.isGranted && row!.restricted);
}

/**
 * Why nothing is left of an event to send. What waits for a master key is not lost: it is sent once that is given.
 */
export async function lossOf(tx: Tx, keys: DataKeys, eventId: string): Promise<Lost | undefined> {
  const rows: EventRow[] = await tx.query(readEventByIdSql, [eventId]);
  const [opened] = await keys.openBeforeLocked(rows.map(sealedOf));
  return typeof opened === 'object' ? opened.lost : undefined;
}
