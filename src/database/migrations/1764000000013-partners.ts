import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Partners and what practices grant them; whom an event is about, beside its data, so that access is decided without
 * reading that; what a patient and a practice ask of whoever wants to hear of them.
 */
export class Partners1764000000013 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table partners (
        id uuid primary key,
        name text not null,
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp()
      )`);
    await runner.query(`
      create table grants (
        id uuid primary key,
        practice_id uuid not null references practices,
        partner_id uuid not null references partners,
        event_types text[] not null check (cardinality(event_types) > 0),
        -- The most that is pushed, and the most that a fetch returns.
        payload_mode text not null check (payload_mode in ('thin', 'minimum', 'full')),
        read_mode text not null check (read_mode in ('none', 'minimum', 'full')),
        agreement_reference text,
        purpose text,
        starts_at timestamptz(3) not null default clock_timestamp(),
        expires_at timestamptz(3),
        revoked_at timestamptz(3),
        -- The partner was told that it ends soon, for this end.
        expiring_told_for timestamptz(3),
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp(),
        check (expires_at is null or expires_at > starts_at)
      )`);
    await runner.query(`create index grants_practice on grants (practice_id, id)`);
    await runner.query(`create index grants_partner on grants (partner_id, id)`);

    // Dental and medical practices need an agreement for every grant, whatever this says.
    await runner.query(
      `alter table practices add column requires_agreements boolean not null default false`,
    );
    // The patient asked that nobody outside of the practice hears of them.
    await runner.query(`alter table patients add column restricted boolean not null default false`);
    await runner.query(
      `create index patients_restricted on patients (practice_id, id) where restricted`,
    );

    await runner.query(`
      alter table events
        add column patient_id uuid,
        add column account_id uuid,
        -- The human behind an application's call, as the application named them.
        add column on_behalf_of text`);
    await runner.query(`alter table events disable trigger events_append_only`);
    await runner.query(`
      update events set patient_id = (data ->> 'patientId')::uuid, account_id = (data ->> 'accountId')::uuid
      where practice_id is not null`);
    await runner.query(`alter table events enable trigger events_append_only`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `alter table events drop column patient_id, drop column account_id, drop column on_behalf_of`,
    );
    await runner.query(`alter table patients drop column restricted`);
    await runner.query(`alter table practices drop column requires_agreements`);
    await runner.query(`drop table grants, partners`);
  }
}
