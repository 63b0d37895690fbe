import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who is treated, and whose account it is on. Foreign keys carry the practice, so that none crosses practices. */
export class Patients1764000000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // `balance` and `entries` belong to the ledger, whose triggers let them change only with an entry.
    await runner.query(`
      create table accounts (
        id uuid primary key,
        practice_id uuid not null references practices (id),
        holder jsonb not null check (holder ->> 'givenName' <> ''),
        guarantor_patient_id uuid,
        currency char(3) not null,
        balance bigint not null default 0,
        entries int not null default 0,
        external_ids jsonb not null default '[]',
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp(),
        unique (practice_id, id),
        check (entries > 0 or balance = 0),
        -- What a JavaScript number holds exactly.
        check (balance between -9007199254740991 and 9007199254740991)
      )`);
    await runner.query(`create index accounts_updated on accounts (practice_id, updated_at)`);
    await runner.query(
      `create index accounts_guarantor on accounts (guarantor_patient_id)
       where guarantor_patient_id is not null`,
    );

    // A deleted patient stays as a tombstone that knows nobody: ids, and no personal field.
    await runner.query(`
      create table patients (
        id uuid primary key,
        practice_id uuid not null references practices (id),
        account_id uuid not null,
        kind text not null check (kind in ('human', 'animal')),
        status text not null default 'active' check (status in ('active', 'inactive', 'deceased')),
        given_name text not null,
        family_name text,
        birth_date date,
        email text,
        phone text,
        species text,
        breed text,
        external_ids jsonb not null default '[]',
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp(),
        deleted_at timestamptz(3),
        unique (practice_id, id),
        foreign key (practice_id, account_id) references accounts (practice_id, id),
        check ((deleted_at is null) = (given_name <> '')),
        check (deleted_at is null or (coalesce(family_name, email, phone, species, breed) is null
          and birth_date is null and external_ids = '[]')),
        check (deleted_at is not null or (kind = 'animal') = (species is not null)),
        check (kind = 'animal' or breed is null)
      )`);
    await runner.query(`create index patients_updated on patients (practice_id, updated_at)`);
    await runner.query(`create index patients_account on patients (account_id)`);
    await runner.query(`
      alter table accounts add foreign key (practice_id, guarantor_patient_id)
        references patients (practice_id, id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table patients, accounts`);
  }
}
