import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What holds for grants and restrictions whoever writes them, and finding grants without walking those that ended. */
export class Grants1764000000014 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `update practices set requires_agreements = true where kind in ('dental', 'medical')`,
    );
    // 45 CFR 164.504(e): who gets a patient's data on a provider's behalf needs a contract for it.
    await runner.query(
      `alter table practices add check (kind = 'veterinary' or requires_agreements)`,
    );
    await runner.query(`
      alter table grants
        -- As its practice is, and stays: an ended grant shows to its partner, the practice does not any more.
        add column sandbox boolean not null default false,
        add check (agreement_reference is null or btrim(agreement_reference) <> ''),
        add check (purpose is null or btrim(purpose) <> '')`);

    // The grants that hold: an end that has passed is skipped by the index, however many have ended.
    await runner.query(
      `create index grants_holding on grants (partner_id, coalesce(expires_at, 'infinity')) where revoked_at is null`,
    );
    // By the moments at which the clock alone changes what is granted: not by a beginning with the grant's own making.
    await runner.query(
      `create index grants_starting on grants (starts_at) where revoked_at is null and starts_at > created_at`,
    );
    await runner.query(
      `create index grants_ending on grants (expires_at) where revoked_at is null`,
    );
    await runner.query(
      `create index grants_to_tell on grants (expires_at)
       where revoked_at is null and expires_at is distinct from expiring_told_for`,
    );
    // Up to when the hubs have noticed such moments.
    await runner.query(`
      create table grant_clock (
        only_row boolean primary key default true check (only_row),
        noticed_through timestamptz not null default clock_timestamp()
      )`);
    await runner.query(`insert into grant_clock default values`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table grant_clock`);
    await runner.query(`drop index grants_holding, grants_starting, grants_ending, grants_to_tell`);
    await runner.query(`
      alter table grants drop column sandbox, drop constraint grants_agreement_reference_check, drop constraint grants_purpose_check`);
    await runner.query(`alter table practices drop constraint practices_check`);
  }
}
