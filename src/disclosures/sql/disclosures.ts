/** A patient, deleted or not, and the accounts that they are or were on, or answer or answered for. */
export const subjectSql = `
  select array(
           select account_id from patients where id = p.id
           union select account_id from patient_former_accounts where patient_id = p.id
           union select id from accounts where practice_id = $1 and guarantor_patient_id = p.id
           union select account_id from account_former_guarantors where patient_id = p.id) as accounts
  from patients as p where p.practice_id = $1 and p.id = $2`;

const columns = `d.id, d.at, d.how, d.confirmed, d.what, d.mode, d.partner_id, d.grant_id, d.purpose,
  d.agreement_reference, d.event_id, d.endpoint_id, d.delivery_id, d.account_id, d.correlation_id, d.on_behalf_of`;

const within = `d.at >= $4 and d.at < $5 and (d.at, d.id) < ($6, $7::uuid)
  order by d.at desc, d.id desc limit $8`;

/**
 * A page of what was disclosed about a patient $2, and of what was about their accounts $3 as a whole; newest first,
 * from $4 until $5, below the cursor ($6, $7). Each index is read only as far as the page goes, so a page costs the
 * same whatever lies behind it.
 */
export const disclosuresSql = `
  select d.*, p.name as partner_name
  from (
    (select ${columns} from disclosures as d where d.practice_id = $1 and d.patient_id = $2 and ${within})
    union all
    (select own.* from unnest($3::uuid[]) as account (id)
     cross join lateral (
       select ${columns} from disclosures as d
       where d.practice_id = $1 and d.account_id = account.id and d.patient_id is null and ${within}
     ) as own)
  ) as d
  left join partners as p on p.id = d.partner_id
  order by d.at desc, d.id desc limit $8`;

/**
 * What a partner $1 is about to be shown, in a feed or by a fetch ($2), with the grant that allows it: of those that
 * cover one of the types the widest, then the oldest, as access is decided. Its purpose is told as it is now.
 */
export const notePageSql = `
  insert into disclosures (at, practice_id, patient_id, account_id, partner_id, how, confirmed, what, mode, grant_id,
                           purpose, agreement_reference, event_id, correlation_id, on_behalf_of)
  select clock_timestamp(), shown.practice_id, shown.patient_id, shown.account_id, $1::uuid, $2::text, true, shown.what,
         coalesce(shown.mode, g.mode, 'full'), g.id, g.purpose, g.agreement_reference, shown.event_id, $3, $4
  from unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::text[], $11::uuid[])
    as shown (practice_id, patient_id, account_id, what, types, mode, event_id)
  left join lateral (
    select granted.* from (
      select id, purpose, agreement_reference, case when $2::text = 'feed' then payload_mode else read_mode end as mode
      from grants
      where practice_id = shown.practice_id and partner_id = $1::uuid and revoked_at is null
        and starts_at <= clock_timestamp() and coalesce(expires_at, 'infinity') > clock_timestamp()
        and exists (
          select from unnest(event_types) as pattern, string_to_table(shown.types, ',') as type
          where pattern in ('*', type) or pattern like '%.*' and type ^@ left(pattern, -1))
    ) as granted
    where granted.mode <> 'none'
    order by array_position(array['full', 'minimum', 'thin'], granted.mode), granted.id limit 1
  ) as g on true
  returning mode, purpose`;
