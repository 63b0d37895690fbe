import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Practices1764000000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table practices (
        id uuid primary key,
        name text not null,
        kind text not null check (kind in ('dental', 'veterinary', 'medical')),
        time_zone text not null,
        currency char(3) not null,
        sandbox boolean not null default false,
        external_ids jsonb not null default '[]',
        reminder_rules jsonb not null,
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp()
      )`);
    await runner.query(`create index practices_updated on practices (updated_at)`);

    // Other systems' ids of every resource, so that one index answers ?externalId= for all of them. The scope
    // is the practice; for practices themselves it is the nil UUID.
    await runner.query(`
      create table external_ids (
        scope_id uuid not null,
        resource text not null,
        system text not null,
        value text not null,
        resource_id uuid not null,
        primary key (scope_id, resource, system, value)
      )`);
    await runner.query(`create index external_ids_resource on external_ids (resource_id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table external_ids, practices`);
  }
}
