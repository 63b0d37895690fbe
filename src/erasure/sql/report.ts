/** What the report tells besides what was erased. $1 is the practice, $2 the patient, $3 their accounts. */

export const recipientsSql = `
  select d.partner_id, p.name, count(*)::int as count, (count(*) filter (where not d.confirmed))::int as unconfirmed,
         min(d.at) as first_at, max(d.at) as last_at, array_agg(distinct d.mode) as modes
  from (
    select partner_id, confirmed, at, mode from disclosures where practice_id = $1 and patient_id = $2
    union all
    select partner_id, confirmed, at, mode from disclosures
    where practice_id = $1 and account_id = any ($3::uuid[]) and patient_id is null
  ) as d
  left join partners as p on p.id = d.partner_id
  group by d.partner_id, p.name order by max(d.at) desc`;

export const applicationsSql = `
  select a.id, a.name from application_practices as ap join applications as a on a.id = ap.application_id
  where ap.practice_id = $1 order by a.name, a.id`;

/** What stays, and why: see docs/patients-rights.md. */
export const keptSql = `
  select (select count(*)::int from appointments where practice_id = $1 and patient_id = $2) as appointments,
         (select count(*)::int from ledger_entries where practice_id = $1 and patient_id = $2) as entries,
         array(
           select id::text from accounts where id = any ($3::uuid[]) and holder ->> 'givenName' <> 'erased' order by id
         ) as holders,
         array(
           select id::text from accounts where id = any ($3::uuid[]) and balance <> 0 order by id) as open_accounts,
         clock_timestamp() as now`;
