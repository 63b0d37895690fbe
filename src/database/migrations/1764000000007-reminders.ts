import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Reminders1764000000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table appointment_reminders (
        id bigint generated always as identity primary key,
        practice_id uuid not null references practices,
        appointment_id uuid not null references appointments,
        sequence int not null,
        -- What makes a rule the same after an edit, see leadOf().
        lead text not null,
        rule_id uuid not null,
        lead_minutes int check (lead_minutes > 0),
        lead_days int check (lead_days > 0),
        due_at timestamptz(3) not null,
        -- The appointment's start: from then on a reminder reminds nobody.
        fire_until timestamptz(3) not null check (fire_until > due_at),
        status text not null default 'pending'
          check (status in ('pending', 'fired', 'missed', 'superseded', 'skipped')),
        settled_at timestamptz(3),
        event_id uuid,
        -- Two hubs cannot both fire the same one.
        unique (appointment_id, sequence, lead),
        check ((lead_minutes is null) <> (lead_days is null)),
        check ((status = 'pending') = (settled_at is null)),
        check ((status in ('fired', 'missed')) = (event_id is not null))
      ) with (fillfactor = 90)`);
    // The tick looks at what is still to come, never at history.
    await runner.query(
      `create index appointment_reminders_due on appointment_reminders (due_at, id) where status = 'pending'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table appointment_reminders`);
  }
}
