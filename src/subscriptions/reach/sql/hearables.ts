import { isRestricted } from '../../../events/log/sql/restricted.js';

/** What decides whether some events of the log may be heard of; of one that it holds no more, nothing. */
export const hearablesSql = `
  select e.id, e.type, e.practice_id as "practiceId", ${isRestricted} as restricted
  from unnest($1::uuid[]) as wanted (id)
  cross join lateral (
    select id, type, practice_id, subject, patient_id, account_id from events where id = wanted.id limit 1
  ) as e`;
