import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What of a patient was disclosed to whom, when and why (45 CFR 164.528). Apart from events and deliveries, because it
 * outlives them, and the patient's record too.
 */
export class Disclosures1764000000020 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // No foreign keys: what was disclosed stays true, whatever becomes of partner, grant and patient. Purpose and
    // agreement are as they were at that time.
    await runner.query(`
      create table disclosures (
        id uuid not null default public.hub_uuid_v7() primary key,
        at timestamptz(3) not null,
        practice_id uuid not null,
        patient_id uuid,
        account_id uuid,
        partner_id uuid not null,
        how text not null check (how in ('webhook', 'fetch', 'feed')),
        -- False: it was sent, and nobody knows whether it was read.
        confirmed boolean not null,
        -- An event's type, or what was fetched.
        what text not null,
        mode text not null check (mode in ('thin', 'minimum', 'full')),
        grant_id uuid,
        purpose text,
        agreement_reference text,
        event_id uuid,
        endpoint_id uuid,
        delivery_id uuid,
        correlation_id text,
        on_behalf_of text,
        check (patient_id is not null or account_id is not null),
        check ((how = 'webhook') = (delivery_id is not null and endpoint_id is not null)),
        check (how = 'fetch' or event_id is not null)
      ) partition by range (id)`);
    await runner.query(
      `create index disclosures_patient on disclosures (practice_id, patient_id, at, id) where patient_id is not null`,
    );
    // What is about an account as a whole is about whoever is on it.
    await runner.query(
      `create index disclosures_account on disclosures (practice_id, account_id, at, id) where patient_id is null`,
    );
    await runner.query(`create table disclosures_default partition of disclosures default`);
    await runner.query(`
      create trigger disclosures_append_only before update or delete on disclosures
      for each row execute function public.hub_refuse_change()`);
    await runner.query(`
      create trigger disclosures_no_truncate before truncate on disclosures
      for each statement execute function public.hub_refuse_change()`);

    // What was disclosed of an account before a patient left it is about them all the same.
    await runner.query(`
      create table patient_former_accounts (
        patient_id uuid not null,
        account_id uuid not null,
        practice_id uuid not null,
        primary key (patient_id, account_id)
      )`);
    await runner.query(`
      create function public.hub_keep_former_account() returns trigger language plpgsql as $$
      begin
        insert into public.patient_former_accounts (patient_id, account_id, practice_id)
          values (old.id, old.account_id, old.practice_id) on conflict do nothing;
        return null;
      end $$`);
    await runner.query(`
      create trigger patients_former_account after update of account_id on patients for each row
      when (old.account_id <> new.account_id) execute function public.hub_keep_former_account()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop trigger patients_former_account on patients`);
    await runner.query(`drop function public.hub_keep_former_account()`);
    await runner.query(`drop table patient_former_accounts, disclosures`);
  }
}
