import type { TestHub } from './start-hub.js';

/** Tables of which a row has any of these words, whatever the case, or their bytes. */
export async function tablesWith(
  { database }: Pick<TestHub, 'database'>,
  words: readonly string[],
): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class as c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1`,
  );
  const bytes = words.map((word) => Buffer.from(word).toString('hex'));
  const patterns = [...words, ...bytes].map((word) => `%${word}%`);
  const found: string[] = [];
  for (const { name } of rows) {
    // Names come from the catalogue.
    const { rowCount } = await database.query(
      `select from ${name} as r where r::text ilike any ($1) limit 1`,
      [patterns],
    );
    if (rowCount) found.push(name);
  }
  return found;
}
