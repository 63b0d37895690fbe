import type { Querying } from '../../database/querying.js';
import { restrictedAmongSql } from './sql/restricted.js';

/** Whom an event is about. */
export interface About {
  id: string;
  type: string;
  practiceId: string | null;
  subject: string;
  patientId?: string | null;
  accountId?: string | null;
}

/** Of which of these events no partner may hear, because of whom they are about; ids. One statement for all. */
export async function restrictedAmong(
  client: Querying,
  events: readonly About[],
): Promise<ReadonlySet<string>> {
  const about = events.filter(({ patientId, accountId }) => patientId || accountId);
  if (about.length === 0) return new Set();
  const { rows } = await client.query<{ id: string }>({
    name: 'restricted-among',
    text: restrictedAmongSql,
    values: [
      about.map(({ id }) => id),
      about.map(({ practiceId }) => practiceId),
      about.map(({ subject }) => subject),
      about.map(({ patientId }) => patientId ?? null),
      about.map(({ accountId }) => accountId ?? null),
      about.map(({ type }) => type),
    ],
  });
  return new Set(rows.map(({ id }) => id));
}
