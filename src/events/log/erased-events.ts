import type { Querying } from '../../database/querying.js';
import { erasedAmongSql, erasedPracticesSql } from './sql/erased.js';

/** Practices of which something was erased, of a patient or with the practice's key; ids. */
export async function erasedPractices(client: Querying): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ practice_id: string }>({ text: erasedPracticesSql });
  return new Set(rows.map(({ practice_id }) => practice_id));
}

/**
 * Of which of these events nothing is left to send; ids. One statement for all, and none where nothing was erased.
 * @param practices as `erasedPractices` gives them
 */
export async function erasedAmong(
  client: Querying,
  events: readonly { id: string; practiceId: string | null }[],
  practices: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const ids = events.flatMap(({ id, practiceId }) =>
    practiceId !== null && practices.has(practiceId) ? id : [],
  );
  if (ids.length === 0) return new Set();
  const { rows } = await client.query<{ id: string }>({ text: erasedAmongSql, values: [ids] });
  return new Set(rows.map(({ id }) => id));
}
