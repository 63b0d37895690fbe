import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The audit trail (ADR 9): entries, written in the transaction of what they tell; blocks, in which each writer chains
 * its entries; and the queue of those that no block holds yet.
 */
export class Audit1764000000017 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // A writer is one run of a hub or of a command. Each has a chain of its own, so that none waits for another.
    await runner.query(`
      create table audit_writers (
        id uuid primary key,
        -- 'hub', or 'commands/{name}'.
        name text not null,
        started_at timestamptz(3) not null default clock_timestamp(),
        -- Written every few seconds: what a writer that died has not sealed, another seals for it.
        seen_at timestamptz(3) not null default clock_timestamp(),
        closed_at timestamptz(3)
      ) with (fillfactor = 50)`);

    // The writer comes from the connection (\`hub.audit_writer\`), so that any statement can write an entry. What is
    // written past the hub belongs to no writer, and is chained by whichever hub finds it.
    await runner.query(`
      create table audit_entries (
        id uuid not null default hub_uuid_v7() primary key,
        writer uuid not null default coalesce(
          nullif(current_setting('hub.audit_writer', true), '')::uuid, '00000000-0000-0000-0000-000000000000'),
        at timestamptz(3) not null default clock_timestamp(),
        -- 'patient.read', 'delivery.batch', 'key.revoked'.
        action text not null,
        -- As events spell it: 'operator', 'applications/{id}', 'system/deliveries'.
        actor text not null,
        on_behalf_of text,
        key_id uuid,
        practice_id uuid,
        -- What it is about: 'patients/{id}'.
        subject text,
        -- Every patient of whom something was read, changed or sent.
        patient_ids uuid[],
        -- Of a batch, in the order of the leaves of its Merkle tree.
        delivery_ids uuid[],
        ip text,
        correlation_id text,
        -- Ids, counts and names of settings and fields; never what they hold.
        detail jsonb not null default '{}'
      ) partition by range (id)`);
    // Ids hardly compress, and trying costs more than it saves.
    await runner.query(`alter table audit_entries alter column delivery_ids set storage external`);
    await runner.query(`create index audit_entries_actor on audit_entries (actor, id)`);
    await runner.query(
      `create index audit_entries_practice on audit_entries (practice_id, id) where practice_id is not null`,
    );
    await runner.query(`create table audit_entries_default partition of audit_entries default`);

    await runner.query(`
      create table audit_blocks (
        writer uuid not null,
        -- Of the writer's chain, from 1 without gaps.
        number bigint not null,
        sealed_at timestamptz(3) not null,
        -- Of the block before it.
        previous bytea not null,
        -- Of the Merkle tree over \`digests\`.
        root bytea not null,
        -- The entries' ids, and their SHA-256 (32 bytes each), in the same order.
        ids uuid[] not null check (cardinality(ids) > 0),
        digests bytea not null check (octet_length(digests) = 32 * cardinality(ids)),
        -- Who sealed it for a writer that had died.
        adopted_by uuid,
        hash bytea not null,
        primary key (writer, number, sealed_at)
      ) partition by range (sealed_at)`);
    await runner.query(
      `create index audit_blocks_sealed on audit_blocks (sealed_at, writer, number)`,
    );
    await runner.query(`alter table audit_blocks alter column ids set storage external`);
    await runner.query(`alter table audit_blocks alter column digests set storage external`);
    await runner.query(`create table audit_blocks_default partition of audit_blocks default`);

    // A row leaves in the transaction that seals its entry.
    await runner.query(`
      create table audit_unsealed (
        writer uuid not null,
        id uuid not null,
        primary key (writer, id)
      ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)`);

    for (const table of ['audit_entries', 'audit_blocks']) {
      await runner.query(`
        create trigger ${table}_append_only before update or delete on ${table}
        for each row execute function hub_refuse_change()`);
      for (const place of [table, `${table}_default`]) {
        await runner.query(`
          create trigger ${place}_no_truncate before truncate on ${place}
          for each statement execute function hub_refuse_change()`);
      }
    }

    // The settings that decide who hears what, as they were recorded last; secrets as fingerprints.
    await runner.query(`
      create table audit_settings (
        name text primary key,
        value text
      )`);

    // Calendar quarters: 25 of them hold six years. Made by whoever owns the tables, at every start and ahead of time.
    await runner.query(`
      create function hub_audit_partitions(moment timestamptz) returns void language plpgsql as $$
      declare
        quarter timestamp;
        following timestamp;
        name text;
      begin
        for ahead in 0..1 loop
          quarter := date_trunc('quarter', moment at time zone 'UTC') + ahead * interval '3 months';
          following := quarter + interval '3 months';
          name := 'audit_entries_' || to_char(quarter, 'YYYYMMDD') || '_' || to_char(following, 'YYYYMMDD');
          if to_regclass('public.' || name) is null then
            execute format(
              'create table public.%I partition of public.audit_entries for values from (%L) to (%L)', name,
              public.hub_uuid_v7_floor(quarter at time zone 'UTC'), public.hub_uuid_v7_floor(following at time zone 'UTC'));
            execute format(
              'create trigger %I before truncate on public.%I for each statement execute function public.hub_refuse_change()',
              name || '_no_truncate', name);
          end if;
          name := 'audit_blocks_' || to_char(quarter, 'YYYYMMDD') || '_' || to_char(following, 'YYYYMMDD');
          if to_regclass('public.' || name) is null then
            execute format(
              'create table public.%I partition of public.audit_blocks for values from (%L) to (%L)', name,
              quarter at time zone 'UTC', following at time zone 'UTC');
            execute format(
              'create trigger %I before truncate on public.%I for each statement execute function public.hub_refuse_change()',
              name || '_no_truncate', name);
          end if;
        end loop;
      end $$`);
    await runner.query(`select hub_audit_partitions(now())`);

    // The roles of the hub itself, where they are set up, write and never change.
    await runner.query(`
      do $$
      declare role text;
      begin
        foreach role in array array['hub_api', 'hub_engine'] loop
          if exists (select from pg_roles where rolname = role) then
            execute format('revoke all on audit_entries, audit_blocks from %I', role);
            execute format('grant select, insert on audit_entries, audit_blocks to %I', role);
            execute format('grant select, insert, delete on audit_unsealed to %I', role);
            execute format('grant select, insert, update on audit_writers, audit_settings to %I', role);
          end if;
        end loop;
      end $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop function hub_audit_partitions(timestamptz)`);
    await runner.query(
      `drop table audit_settings, audit_unsealed, audit_blocks, audit_entries, audit_writers`,
    );
  }
}
