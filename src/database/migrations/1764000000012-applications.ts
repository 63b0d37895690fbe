import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who may call the hub besides its operator: applications of practices, and their keys. */
export class Applications1764000000012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table applications (
        id uuid primary key,
        name text not null,
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp()
      )`);
    await runner.query(`
      create table application_practices (
        application_id uuid not null references applications,
        practice_id uuid not null references practices,
        primary key (application_id, practice_id)
      )`);

    // A key is random and long, so that a plain digest cannot be guessed back. What is revoked stays on record.
    await runner.query(`
      create table api_keys (
        id uuid primary key,
        -- As events spell an actor: 'applications/{id}'.
        owner text not null,
        name text not null,
        mode text not null check (mode in ('live', 'test')),
        key_hash bytea not null unique,
        -- Its last characters, by which people tell keys apart.
        ending text not null,
        scopes text[] not null check (scopes <> '{}' and scopes <@ array['read', 'write']),
        created_at timestamptz(3) not null default clock_timestamp(),
        expires_at timestamptz(3),
        revoked_at timestamptz(3),
        last_used_at timestamptz(3)
      )`);
    await runner.query(`create index api_keys_owner on api_keys (owner, id)`);

    // Which practices an endpoint's owner reached when it was made: sandboxes with a test key, the others with a live
    // one. Null: the operator's, who reaches all.
    await runner.query(`alter table endpoints add column sandbox boolean`);
    await runner.query(`create index endpoints_owner on endpoints (owner, id)`);

    // What an endpoint may hear of today; null where that is everything. The one place that says so: fan-out,
    // delivery, replays, feed and manifest all ask here. (Of an owner that is not there any more: nothing.)
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

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop function hub_practices_of_endpoint(text, uuid[], boolean)`);
    await runner.query(`drop index endpoints_owner`);
    await runner.query(`alter table endpoints drop column sandbox`);
    await runner.query(`drop table api_keys, application_practices, applications`);
  }
}
