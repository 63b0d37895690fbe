/**
 * Whether an event `e` (its practice_id, patient_id, account_id) is about somebody of whom partners must not hear: a
 * patient who is restricted; of an account as a whole, where such a patient answers for it, or nobody else is on it. A
 * deleted patient stays restricted. Asked of the tables and not of their module, which subscriptions do not know.
 *
 * Subqueries with a limit, and not EXISTS: they are never turned into a hash of all restricted patients, and nearly
 * every answer is a look into a partial index that is next to empty.
 */
export const isRestricted = `
  case
    when e.patient_id is not null then coalesce((
      select true from patients as p
      where p.practice_id = e.practice_id and p.id = e.patient_id and p.restricted limit 1), false)
    when e.account_id is null or (
      select true from patients as p where p.practice_id = e.practice_id and p.restricted limit 1) is null then false
    else coalesce((
        select p.restricted from accounts as a join patients as p on p.id = a.guarantor_patient_id
        where a.id = e.account_id limit 1), false)
      or coalesce((
        select bool_and(p.restricted or p.deleted_at is not null) and bool_or(p.restricted)
        from patients as p where p.account_id = e.account_id), false)
  end`;

/** Of some events, given by id, practice, patient and account, those that partners must not hear of. */
export const restrictedAmongSql = `
  select e.id from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as e (id, practice_id, patient_id, account_id)
  where ${isRestricted}`;

/** What decides whether some events of the log may be heard of; of one that it holds no more, nothing. */
export const hearablesSql = `
  select e.id, e.type, e.practice_id as "practiceId", ${isRestricted} as restricted
  from unnest($1::uuid[]) as wanted (id)
  cross join lateral (
    select id, type, practice_id, patient_id, account_id from events where id = wanted.id limit 1
  ) as e`;
