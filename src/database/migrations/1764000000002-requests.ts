import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the API itself keeps: answers to repeated requests, and the operator's key (hashed). */
export class Requests1764000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table idempotency_keys (
        identity text not null,
        route text not null,
        key text not null,
        body_hash bytea not null,
        status smallint not null,
        location text,
        body jsonb,
        created_at timestamptz not null default now(),
        primary key (identity, route, key)
      )`);
    await runner.query(`create index idempotency_keys_created_at on idempotency_keys (created_at)`);
    await runner.query(`
      create table operator_keys (
        key_hash bytea primary key check (octet_length(key_hash) = 32),
        created_at timestamptz not null default now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table operator_keys, idempotency_keys`);
  }
}
