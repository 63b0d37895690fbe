import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Data keys, and room for what is sealed under them. What is there already is sealed by the hub when it starts
 * (`src/sealing/seal-what-is-plain.ts`), since SQL has no key; a database without any of it has its final form at once.
 */
export class Sealing1764000000016 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table data_keys (
        number int generated always as identity primary key,
        -- Null: the hub's own. Names no row of practices: a key is made before its practice has committed.
        practice_id uuid,
        -- Under a master key, which is in no database. Null once it is destroyed.
        wrapped bytea,
        master_key_id text,
        created_at timestamptz(3) not null default clock_timestamp(),
        -- It opens what it has sealed, and seals no more.
        retired_at timestamptz(3),
        destroyed_at timestamptz(3),
        -- When it was retired or destroyed last: what hubs look for.
        changed_at timestamptz generated always as (greatest(retired_at, destroyed_at)) stored,
        check ((destroyed_at is null) = (wrapped is not null)),
        check ((wrapped is null) = (master_key_id is null))
      )`);
    // One that seals, for each practice and for the hub.
    await runner.query(`
      create unique index data_keys_active on data_keys
        (coalesce(practice_id, '00000000-0000-0000-0000-000000000000'))
      where retired_at is null and destroyed_at is null`);
    await runner.query(`create index data_keys_practice on data_keys (practice_id)`);
    await runner.query(
      `create index data_keys_changed on data_keys (changed_at) where changed_at is not null`,
    );

    // The key that something is sealed under (see src/sealing/data-key.ts); null for what was erased by itself.
    await runner.query(`
      create function public.hub_key_number(sealed bytea) returns int language sql immutable parallel safe
      as $$ select case when length(sealed) > 32 then
        get_byte(sealed, 1) << 24 | get_byte(sealed, 2) << 16 | get_byte(sealed, 3) << 8 | get_byte(sealed, 4) end $$`);

    // What is sealed cannot be compressed, and trying costs.
    await runner.query(`alter table events add column sealed bytea`);
    await runner.query(`alter table events alter column sealed set storage external`);
    await runner.query(`
      do $$
      declare part regclass;
      begin
        for part in select inhrelid::regclass from pg_inherits where inhparent = 'events'::regclass loop
          execute format('alter table %s alter column sealed set storage external', part);
        end loop;
      end $$`);
    await runner.query(`alter table endpoint_secrets add column sealed bytea`);
    await runner.query(`alter table endpoints add column sealed_target bytea`);
    await runner.query(`alter table idempotency_keys add column sealed_body bytea`);
    await runner.query(`alter table attempt_responses add column sealed_body bytea`);
    // Nothing plain is written any more.
    await runner.query(`alter table events alter column data drop not null`);
    await runner.query(`alter table endpoint_secrets alter column secret drop not null`);
    await runner.query(`alter table endpoints alter column url drop not null`);
    await runner.query(`alter table attempt_responses alter column body drop not null`);
    // Of an event only the sealing may change, once.
    await runner.query(`drop trigger events_append_only on events`);
    await runner.query(`
      create trigger events_append_only before update on events
      for each row when (old.sealed is not null) execute function hub_refuse_change()`);

    await runner.query(`
      create function hub_finish_sealing() returns void language plpgsql as $$
      begin
        alter table events drop column data, alter column sealed set not null;
        drop trigger events_append_only on events;
        create trigger events_append_only before update on events
          for each row execute function hub_refuse_change();
        alter table endpoint_secrets drop column secret, alter column sealed set not null;
        alter table endpoints drop column url, drop column headers, alter column sealed_target set not null;
        alter table idempotency_keys drop column body;
        alter table attempt_responses drop column body, alter column sealed_body set not null;
      end $$`);
    await runner.query(`
      do $$
      begin
        if not exists (select from events) and not exists (select from endpoints)
           and not exists (select from idempotency_keys) and not exists (select from attempt_responses) then
          perform hub_finish_sealing();
          drop function hub_finish_sealing();
        end if;
      end $$`);
  }

  async down(): Promise<void> {
    throw new Error('What is sealed stays sealed: SQL has no key to open it.');
  }
}
