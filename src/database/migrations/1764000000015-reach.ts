import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What an endpoint may hear of, grants included; and a mark of when patients were restricted. */
export class Reach1764000000015 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`drop function hub_practices_of_endpoint(text, uuid[], boolean)`);

    // What an owner's endpoints may hear of today. The one place that says so: fan-out, delivery, replays, feed and
    // manifest all ask here.
    // - null: everything;
    // - a list of practices: all that happens in them;
    // - an object, for a partner: by practice the grants that hold at this moment, the widest payload mode first, then
    //   the oldest, so that whoever looks for the grant that covers a type finds the same one.
    // Of an owner that is not there any more: nothing. json and not jsonb: it is read once and whole, and 5,000 grants
    // take half the time.
    await runner.query(`
      create function hub_reach(owner text, wanted uuid[], of_sandbox boolean) returns json
      language sql stable as $$
        select case
          when owner = 'operator' then to_json(wanted)
          when owner ~ '^partners/[0-9a-f-]{36}$' then coalesce((
            select json_object_agg(granted.practice_id, granted.grants)
            from (
              select g.practice_id,
                     json_agg(json_build_object(
                       'id', g.id, 'types', g.event_types, 'mode', g.payload_mode, 'purpose', g.purpose,
                       'agreement', g.agreement_reference)
                       order by array_position(array['full', 'minimum', 'thin'], g.payload_mode), g.id) as grants
              from public.grants as g join public.practices as p on p.id = g.practice_id
              where g.partner_id = substr(owner, 10)::uuid and p.sandbox = of_sandbox
                and g.revoked_at is null and g.starts_at <= statement_timestamp()
                and coalesce(g.expires_at, 'infinity') > statement_timestamp()
                and (wanted is null or g.practice_id = any (wanted))
              group by g.practice_id
              order by g.practice_id
            ) as granted), '{}')
          else (
            select coalesce(json_agg(ap.practice_id order by ap.practice_id), '[]')
            from public.application_practices as ap join public.practices as p on p.id = ap.practice_id
            where ap.application_id = case when owner ~ '^applications/[0-9a-f-]{36}$' then substr(owner, 14)::uuid end
              and p.sandbox = of_sandbox
              and (wanted is null or ap.practice_id = any (wanted)))
        end
      $$`);

    // Rises when somebody asks not to be told of: what partners' lanes have in memory is looked at anew.
    await runner.query(
      `alter table endpoint_set_version add column restrictions bigint not null default 0`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table endpoint_set_version drop column restrictions`);
    await runner.query(`drop function hub_reach(text, uuid[], boolean)`);
    await runner.query(`
      create function hub_practices_of_endpoint(owner text, wanted uuid[], of_sandbox boolean) returns uuid[]
      language sql stable as $$
        select case when owner = 'operator' then wanted else array(
          select ap.practice_id
          from public.application_practices as ap join public.practices as p on p.id = ap.practice_id
          where ap.application_id = case when owner ~ '^applications/[0-9a-f-]{36}$' then substr(owner, 14)::uuid end
            and p.sandbox = of_sandbox
            and (wanted is null or ap.practice_id = any (wanted))
          order by ap.practice_id) end
      $$`);
  }
}
