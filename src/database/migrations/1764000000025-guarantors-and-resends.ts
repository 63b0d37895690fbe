import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who answered for an account before: events that name guarantors go on naming them, in payloads that are sealed and so
 * cannot be searched. And what was asked for by hand: which attempt of a delivery, and of an endpoint whose circuit is
 * open.
 */
export class GuarantorsAndResends1764000000025 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table account_former_guarantors (
        account_id uuid not null,
        patient_id uuid not null,
        practice_id uuid not null,
        primary key (account_id, patient_id)
      )`);
    await runner.query(
      `create index account_former_guarantors_patient on account_former_guarantors (patient_id)`,
    );
    await runner.query(`
      create function public.hub_keep_former_guarantor() returns trigger language plpgsql as $$
      begin
        insert into public.account_former_guarantors (account_id, patient_id, practice_id)
          values (old.id, old.guarantor_patient_id, old.practice_id) on conflict do nothing;
        return null;
      end $$`);
    // Not at a change of the balance, which every payment makes.
    await runner.query(`
      create trigger accounts_former_guarantor after update of guarantor_patient_id on accounts for each row
      when (old.guarantor_patient_id is distinct from new.guarantor_patient_id and old.guarantor_patient_id is not null)
      execute function public.hub_keep_former_guarantor()`);
    // How many attempts there had been then: with the next one it is out of date by itself, and whoever records results
    // need not know of it.
    await runner.query(`alter table delivery_retries add column asked_after smallint`);
    await runner.query(`alter table endpoint_health add column probe_asked_at timestamptz(3)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter table endpoint_health drop column probe_asked_at`);
    await runner.query(`alter table delivery_retries drop column asked_after`);
    await runner.query(`drop trigger accounts_former_guarantor on accounts`);
    await runner.query(`drop function public.hub_keep_former_guarantor()`);
    await runner.query(`drop table account_former_guarantors`);
  }
}
