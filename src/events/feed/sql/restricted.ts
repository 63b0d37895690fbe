/** Places, counted from 1, of those events that partners must not hear of: $1 whose they are, $2 on which account. */
export const restrictedSql = `
  select place::int from unnest($1::uuid[], $2::uuid[]) with ordinality as event (patient, account, place)
  where hub_is_restricted(patient, account)`;
