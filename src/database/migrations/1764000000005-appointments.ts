import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Appointments1764000000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table appointments (
        id uuid primary key,
        practice_id uuid not null references practices,
        patient_id uuid not null,
        start_at timestamptz(3) not null,
        end_at timestamptz(3) not null,
        -- The wall clock as booked. A change of the practice's zone keeps it and moves the instants. Text, because
        -- drivers read a timestamp without zone in the zone of their own process.
        time_zone text not null,
        local_start text not null check (local_start ~ '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{3})?$'),
        type jsonb,
        providers jsonb not null default '[]',
        operatory jsonb,
        note text,
        external_ids jsonb not null default '[]',
        -- FHIR R4 appointment status.
        status text not null check (status in ('proposed', 'booked', 'arrived', 'checked-in', 'fulfilled',
                                               'cancelled', 'noshow', 'entered-in-error')),
        -- What reopening goes back to, latest last.
        earlier_statuses text[] not null default '{}',
        confirmation text not null default 'unconfirmed' check (confirmation in ('unconfirmed', 'confirmed')),
        sequence int not null default 0 check (sequence >= 0),
        seated_at timestamptz(3),
        cancelled_by text check (cancelled_by in ('patient', 'practice')),
        cancel_reason text,
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp(),
        deleted_at timestamptz(3),
        foreign key (practice_id, patient_id) references patients (practice_id, id),
        check (end_at > start_at),
        check ((status = 'entered-in-error') = (deleted_at is not null)),
        check (seated_at is null or status in ('checked-in', 'fulfilled', 'cancelled', 'entered-in-error')),
        check (status in ('cancelled', 'entered-in-error') or (cancelled_by is null and cancel_reason is null)),
        -- A deleted appointment stays as a tombstone without the texts about its patient.
        check (deleted_at is null or (note is null and cancel_reason is null and external_ids = '[]'))
      )`);
    await runner.query(`create index appointments_in_order on appointments (practice_id, id)`);
    await runner.query(`create index appointments_start on appointments (practice_id, start_at)`);
    await runner.query(`create index appointments_patient on appointments (patient_id, start_at)`);
    await runner.query(
      `create index appointments_updated on appointments (practice_id, updated_at)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table appointments`);
  }
}
