import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is erased of patients, on record; and the one way past the guards of what is append-only. */
export class Erasure1764000000021 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table erasures (
        id uuid not null default public.hub_uuid_v7() primary key,
        practice_id uuid not null,
        patient_id uuid not null unique,
        -- Accounts in nobody else's name and on which nobody else is: what is about them goes too.
        account_ids uuid[] not null,
        requested_at timestamptz(3) not null default clock_timestamp(),
        -- Events up to this id have been looked at.
        events_through uuid not null default '00000000-0000-0000-0000-000000000000',
        -- How many of what were erased so far; each number is written with what it counts.
        counts jsonb not null default '{}',
        -- When something was erased last that a hub may have opened before: hubs look for it.
        erased_at timestamptz,
        finished_at timestamptz(3)
      )`);
    await runner.query(`create index erasures_erased on erasures (erased_at)`);
    await runner.query(`create index erasures_practice on erasures (practice_id)`);

    // Whether a change of what is append-only does nothing but erase what an erasure on record is about. Asked only
    // when somebody tries one.
    await runner.query(`
      create function public.hub_erases(before jsonb, after jsonb) returns boolean
      language plpgsql stable as $$
      declare
        -- A generated column has no value yet; it follows from others.
        changed text[] := array(
          select key from jsonb_each(after) where before -> key is distinct from value and key <> 'effect');
        is_erased boolean;
      begin
        if before ? 'xact_id' then
          is_erased := changed <@ array['sealed'] and after ->> 'sealed' = '\\x00';
        elsif before ? 'balance_after' then
          -- Amounts stay, and who paid by kind.
          is_erased := changed <@ array['payer', 'description', 'reason']
            and coalesce(after ->> 'reason', 'erased') = 'erased' and after ->> 'description' is null
            and case when jsonb_typeof(before -> 'payer') = 'object'
                then after -> 'payer' = (before -> 'payer') - 'name' else after -> 'payer' = 'null' end;
        end if;
        return coalesce(is_erased, false) and exists (
          select from public.erasures as e
          where e.practice_id = (before ->> 'practice_id')::uuid
            and (e.patient_id = (before ->> 'patient_id')::uuid or (before ->> 'account_id')::uuid = any (e.account_ids)));
      end $$`);
    await runner.query(`
      create or replace function public.hub_refuse_change() returns trigger language plpgsql as $$
      begin
        if tg_op = 'UPDATE' and public.hub_erases(to_jsonb(old), to_jsonb(new)) then
          return new;
        end if;
        raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
      end $$`);

    // Payloads of events, whose places in the log stay as they are: a zero byte is how sealing spells what was erased
    // by itself, without its key (src/sealing/data-key.ts). @returns how many were not erased before
    await runner.query(`
      create function public.hub_erase_events(ids uuid[]) returns int language sql as $$
        with erased as (
          update public.events set sealed = '\\x00' where id = any (ids) and sealed <> '\\x00' returning id
        )
        select count(*)::int from erased
      $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create or replace function public.hub_refuse_change() returns trigger language plpgsql as $$
      begin
        raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
      end $$`);
    await runner.query(
      `drop function public.hub_erase_events(uuid[]), public.hub_erases(jsonb, jsonb)`,
    );
    await runner.query(`drop table erasures`);
  }
}
