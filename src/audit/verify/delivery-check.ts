import type pg from 'pg';
import type { AuditEntry } from '../audit-entry.js';
import { AttemptsProof, type BatchDetail } from '../delivery-proof.js';
import { attemptsSql } from '../sql/verify.js';
import { broken } from './fault.js';

interface AttemptRow {
  id: string;
  number: number;
  at: Date;
  outcome: string;
  status_code: number | null;
}

/**
 * Computes the root of a batch anew from the tables that keep attempts, as long as they do.
 * @param keptFrom the least id that retention has left
 * @returns how many attempts were proven; 0 where retention has dropped some, or some were void
 * @throws TrailBroken where an attempt is missing or not what it was
 */
export async function checkBatch(
  client: pg.ClientBase,
  { id, deliveryIds, detail }: AuditEntry,
  keptFrom: string,
): Promise<number> {
  const { count, recorded, root, numbers } = detail as unknown as BatchDetail;
  if (!deliveryIds || recorded !== count || deliveryIds.some((each) => each < keptFrom)) return 0;
  const { rows } = await client.query<AttemptRow>(attemptsSql, [deliveryIds]);
  const attempts = new Map(rows.map((row) => [`${row.id} ${row.number}`, row]));
  const proof = new AttemptsProof(deliveryIds.length);
  deliveryIds.forEach((deliveryId, i) => {
    const number = numbers?.[i] ?? 1;
    const row = attempts.get(`${deliveryId} ${number}`);
    if (!row) {
      throw broken('delivery batch', id, `attempt ${number} of delivery ${deliveryId} is missing`);
    }
    proof.add('', deliveryId, number, row.at.toISOString(), row.outcome, row.status_code);
  });
  if (proof.root() !== root) {
    throw broken('delivery batch', id, 'an attempt of its deliveries is not what was recorded');
  }
  return deliveryIds.length;
}
