import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The append-only log that is outbox and history at once, its positions, and the consumers' cursors.
 *
 * Everything names the schema `public` because triggers on watched tables and restores run with search
 * paths the hub does not choose.
 */
export class EventLog1764000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // UUIDv7 from the database's clock. PostgreSQL 18 brings its own; before it, the timestamp is laid over a
    // random v4 and the version nibble is set to 7 (RFC 9562, section 5.7).
    await runner.query(`
      do $$
      begin
        if current_setting('server_version_num')::int >= 180000 then
          execute $f$
            create function public.hub_uuid_v7() returns uuid language sql volatile parallel safe
            as 'select uuidv7()' $f$;
        else
          execute $f$
            create function public.hub_uuid_v7() returns uuid language sql volatile parallel safe
            as 'select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
                  placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
                  from 1 for 6), 52, 1), 53, 1), ''hex'')::uuid' $f$;
        end if;
      end $$`);

    // The least UUIDv7 of a moment: the bounds of partitions that are ranges of time-ordered ids.
    await runner.query(`
      create function public.hub_uuid_v7_floor(moment timestamptz) returns uuid
      language sql immutable parallel safe
      as $$ select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$`);

    // Transaction ids start again in a restored cluster and go back after a point-in-time recovery.
    // A generation is one stretch of time in which they only rise: one (system identifier, WAL timeline).
    await runner.query(`
      create table public.log_generations (
        generation int primary key,
        system_identifier bigint not null,
        wal_timeline text not null,
        began_at timestamptz not null default now(),
        unique (system_identifier, wal_timeline)
      )`);

    // Resolved by the insert default itself: a trigger may write before any hub has started on a restored
    // cluster. The timeline comes from the WAL insert position because the control file learns of a promotion
    // only at the next checkpoint.
    await runner.query(`
      create function public.hub_generation() returns int language plpgsql volatile as $$
      declare
        system bigint := (select system_identifier from pg_control_system());
        timeline text := substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
        found_generation int;
      begin
        select generation into found_generation from public.log_generations
          where system_identifier = system and wal_timeline = timeline;
        if found_generation is null then
          -- Two first writers meet at the lock and the second finds the first one's row.
          lock table public.log_generations in share row exclusive mode;
          insert into public.log_generations (generation, system_identifier, wal_timeline)
            select coalesce(max(generation), 0) + 1, system, timeline from public.log_generations
            on conflict (system_identifier, wal_timeline) do nothing;
          select generation into strict found_generation from public.log_generations
            where system_identifier = system and wal_timeline = timeline;
        end if;
        return found_generation;
      end $$`);
    await runner.query(`select public.hub_generation()`);

    await runner.query(`
      create table public.events (
        id uuid not null default public.hub_uuid_v7() primary key,
        generation int not null default public.hub_generation(),
        xact_id xid8 not null default pg_current_xact_id(),
        seq bigint not null generated always as identity,
        type text not null,
        type_version smallint not null,
        practice_id uuid,
        source text not null,
        subject text not null,
        subject_version int not null,
        time timestamptz(3) not null default clock_timestamp(),
        actor text not null,
        correlation_id text not null,
        causation_id text,
        traceparent text,
        data jsonb not null
      ) partition by range (id)`);
    await runner.query(`create index events_position on public.events (generation, xact_id, seq)`);
    // Catches what no partition covers (a hub that was down for weeks, a clock far off), so that a fact is
    // never refused for want of a partition; the housekeeping moves such rows when it makes the partition.
    await runner.query(`create table public.events_default partition of public.events default`);

    // Said but never changed: an update would be a lie to whoever has read it already. Retention drops partitions.
    await runner.query(`
      create function public.hub_refuse_change() returns trigger language plpgsql as $$
      begin
        raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
      end $$`);
    await runner.query(`
      create trigger events_append_only before update on public.events
      for each row execute function public.hub_refuse_change()`);

    // The highest position that retention has dropped: a cursor below it would skip events silently.
    await runner.query(`
      create table public.log_retention (
        only_row boolean primary key default true check (only_row),
        generation int not null default 0,
        xact_id xid8 not null default '0',
        seq bigint not null default 0
      )`);
    await runner.query(`insert into public.log_retention default values`);

    await runner.query(`
      create table public.consumer_cursors (
        consumer_group text not null,
        bus text not null check (bus in ('log', 'kafka')),
        partition int not null check (partition >= 0),
        generation int not null,
        xact_id xid8 not null,
        seq bigint not null,
        moved_at timestamptz not null default now(),
        primary key (consumer_group, bus, partition)
      ) with (fillfactor = 50)`);

    await runner.query(`
      create table public.parked_events (
        consumer_group text not null,
        event_id uuid not null,
        generation int not null,
        xact_id xid8 not null,
        seq bigint not null,
        reason text not null,
        redrive boolean not null default false,
        parked_at timestamptz not null default now(),
        primary key (consumer_group, event_id)
      )`);

    // One leased row per job that only one hub may do at a time. The epoch rises with every change of hands,
    // so that what a former holder still writes can be told apart.
    await runner.query(`
      create table public.leases (
        name text primary key,
        holder text,
        epoch bigint not null default 0,
        leased_until timestamptz not null default '-infinity'
      ) with (fillfactor = 50)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `drop table public.leases, public.parked_events, public.consumer_cursors, public.log_retention, public.events, public.log_generations`,
    );
    await runner.query(
      `drop function public.hub_generation(), public.hub_refuse_change(), public.hub_uuid_v7_floor(timestamptz), public.hub_uuid_v7()`,
    );
  }
}
