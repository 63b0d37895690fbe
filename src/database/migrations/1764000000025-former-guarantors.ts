import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who answered for an account before: events that name guarantors go on naming them, in payloads that are sealed and so
 * cannot be searched.
 */
export class FormerGuarantors1764000000025 implements MigrationInterface {
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
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop trigger accounts_former_guarantor on accounts`);
    await runner.query(`drop function public.hub_keep_former_guarantor()`);
    await runner.query(`drop table account_former_guarantors`);
  }
}
