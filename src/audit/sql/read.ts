import { entryColumns } from '../audit-entry.js';

/*
 * A page of entries in order of their ids: behind $1, before $2, of the actor $3, at most $4. One statement for each
 * question, so that each has the index that answers it, however long the history.
 */

const page = `select ${entryColumns} from audit_entries where id > $1::uuid and id < $2::uuid`;

export const allSql = `${page} and $3::text is null order by id limit $4`;

export const ofActorSql = `${page} and actor = $3 order by id limit $4`;

/** Of some practices ($5): each yields a page, so that none is read further than the page reaches. */
export const ofPracticesSql = `
  select entry.* from unnest($5::uuid[]) as wanted (practice_id)
  cross join lateral (
    ${page} and audit_entries.practice_id = wanted.practice_id and ($3::text is null or actor = $3) order by id limit $4
  ) as entry
  order by entry.id limit $4`;
