import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tokens for browsers and streams: minted from a key, good for minutes, of no more rights than it has. */
export class AccessTokens1764000000019 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // A digest, as of keys: whoever reads this table, or a copy of it, can neither use a token nor make one.
    await runner.query(`
      create table access_tokens (
        token_hash bytea primary key,
        -- Of the key it was minted from, which must still open the API; the operator's is in no table.
        key_hash bytea not null,
        scopes text[] not null check (scopes <> '{}' and scopes <@ array['read', 'write']),
        -- Null: all that the key reaches.
        practice_ids uuid[] check (practice_ids <> '{}'),
        created_at timestamptz(3) not null default clock_timestamp(),
        expires_at timestamptz(3) not null,
        check (expires_at > created_at and expires_at <= created_at + interval '1 hour')
      )`);
    await runner.query(`create index access_tokens_key on access_tokens (key_hash, expires_at)`);
    await runner.query(`create index access_tokens_end on access_tokens (expires_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table access_tokens`);
  }
}
