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
    await runner.query(
      `create index audit_writers_open on audit_writers (id) where closed_at is null`,
    );

    // The writer is the connection's, so that any statement can write an entry. What is written past the hub belongs to
    // no writer, and is chained by whichever hub finds it.
    await runner.query(`
      create function hub_audit_writer() returns uuid language sql stable parallel safe as $$
        select coalesce(nullif(current_setting('hub.audit_writer', true), '')::uuid,
                        '00000000-0000-0000-0000-000000000000')
      $$`);
    await runner.query(`
      create table audit_entries (
        -- Begins with the time, by the database's clock.
        id uuid not null default hub_uuid_v7() primary key,
        writer uuid not null default hub_audit_writer(),
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

    // Calendar quarters: 25 of them hold six years. Made ahead by the tables' owner. What came while no quarter covered
    // it moves where it belongs.
    await runner.query(`
      create function hub_audit_partitions(moment timestamptz) returns void language plpgsql as $$
      declare
        base text;
        part text;
        key text;
        quarter timestamptz;
        following timestamptz;
        lower_bound text;
        upper_bound text;
      begin
        for ahead in 0..1 loop
          quarter := (date_trunc('quarter', moment at time zone 'UTC') + ahead * interval '3 months') at time zone 'UTC';
          following := (quarter at time zone 'UTC' + interval '3 months') at time zone 'UTC';
          foreach base in array array['audit_entries', 'audit_blocks'] loop
            part := base || to_char(quarter at time zone 'UTC', '_YYYYMMDD') || to_char(following at time zone 'UTC', '_YYYYMMDD');
            continue when to_regclass('public.' || part) is not null;
            if base = 'audit_entries' then
              key := 'id';
              lower_bound := public.hub_uuid_v7_floor(quarter)::text;
              upper_bound := public.hub_uuid_v7_floor(following)::text;
            else
              key := 'sealed_at';
              lower_bound := quarter::text;
              upper_bound := following::text;
            end if;
            execute format('create table public.%I (like public.%I including defaults including constraints including storage)', part, base);
            execute format('alter table public.%I disable trigger user', base || '_default');
            execute format(
              'with moved as (delete from public.%I where %I >= %L and %I < %L returning *) insert into public.%I select * from moved',
              base || '_default', key, lower_bound, key, upper_bound, part);
            execute format('alter table public.%I enable trigger user', base || '_default');
            execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)',
              base, part, lower_bound, upper_bound);
            execute format(
              'create trigger %I before truncate on public.%I for each statement execute function public.hub_refuse_change()',
              part || '_no_truncate', part);
          end loop;
        end loop;
      end $$`);
    await runner.query(`select hub_audit_partitions(now())`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop function hub_audit_partitions(timestamptz)`);
    await runner.query(
      `drop table audit_settings, audit_unsealed, audit_blocks, audit_entries, audit_writers`,
    );
    await runner.query(`drop function hub_audit_writer()`);
  }
}
