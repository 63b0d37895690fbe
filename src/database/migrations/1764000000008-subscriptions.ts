import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who listens, what is owed to them, and which hub sends it. */
export class Subscriptions1764000000008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table endpoints (
        id uuid primary key,
        owner text not null,
        url text not null,
        event_types text[] not null check (cardinality(event_types) > 0),
        practice_ids uuid[],
        payload_mode text not null check (payload_mode in ('thin', 'minimum', 'full')),
        enabled boolean not null default true,
        description text,
        disabled_reason text,
        secret text not null,
        -- The id's last byte is random. One deliverer owns a shard and so sees all of an endpoint.
        shard smallint not null generated always as (get_byte(uuid_send(id), 15) % 64) stored,
        -- Events settled before the endpoint was made are not for it, however far behind the fan-out is.
        from_generation int not null,
        from_xact_id xid8 not null,
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp(),
        deleted_at timestamptz(3)
      )`);
    await runner.query(
      `create index endpoints_shard on endpoints (shard) where deleted_at is null`,
    );
    await runner.query(`create index endpoints_updated on endpoints (updated_at)`);

    // Apart from the endpoint's row, because each fan-out batch writes here and an endpoint's settings hardly change.
    await runner.query(`
      create table endpoint_counters (
        endpoint_id uuid primary key references endpoints,
        last_sequence bigint not null default 0
      ) with (fillfactor = 50)`);
    // Which endpoints match is cached under this number; whoever changes an endpoint raises it in the same
    // transaction, so that the next fact on any hub sees the change.
    await runner.query(`
      create table endpoint_set_version (
        only_row boolean primary key default true check (only_row),
        version bigint not null default 1
      ) with (fillfactor = 50)`);
    await runner.query(`insert into endpoint_set_version default values`);

    await runner.query(`
      create table deliveries (
        id uuid primary key,
        endpoint_id uuid not null,
        sequence bigint not null,
        event_id uuid not null,
        event_type text not null,
        practice_id uuid,
        status text not null default 'pending'
          check (status in ('pending', 'failed', 'delivered', 'dead', 'withheld')),
        attempts smallint not null default 0,
        next_attempt_at timestamptz(3),
        last_attempt_at timestamptz(3),
        last_duration_ms int,
        last_outcome text,
        last_status_code smallint,
        last_error text,
        withheld_reason text,
        check ((status = 'failed') = (next_attempt_at is not null)),
        check ((attempts = 0) = (last_attempt_at is null)),
        check (status not in ('delivered', 'failed') or attempts > 0),
        check ((status = 'withheld') = (withheld_reason is not null))
      ) partition by range (id)`);
    // For an endpoint's stream in order of its numbers. Not unique: the counter's row lock makes the numbers, and
    // a unique index on a table partitioned by id could not promise more.
    await runner.query(`create index deliveries_stream on deliveries (endpoint_id, sequence)`);
    // Due work is found by two reads, each with an index of its own: with one for both a page behind a million
    // waiting retries took 185-297 ms, split it takes 0.15 ms.
    await runner.query(
      `create index deliveries_pending on deliveries (endpoint_id, sequence) where status = 'pending'`,
    );
    await runner.query(
      `create index deliveries_retry on deliveries (endpoint_id, next_attempt_at) where status = 'failed'`,
    );
    await runner.query(`create table deliveries_default partition of deliveries default`);

    // The last attempt lives in the delivery's row; here are those before it.
    await runner.query(`
      create table delivery_attempts (
        delivery_id uuid not null,
        number smallint not null,
        at timestamptz(3) not null,
        duration_ms int not null,
        outcome text not null,
        status_code smallint,
        error text,
        primary key (delivery_id, number)
      ) partition by range (delivery_id)`);
    await runner.query(
      `create table delivery_attempts_default partition of delivery_attempts default`,
    );

    await runner.query(`
      create table delivery_shards (
        shard smallint primary key check (shard between 0 and 63),
        owner text,
        epoch bigint not null default 0,
        leased_until timestamptz not null default '-infinity'
      ) with (fillfactor = 50)`);
    await runner.query(`insert into delivery_shards (shard) select generate_series(0, 63)`);
    await runner.query(`
      create table deliverers (
        id text primary key,
        seen_until timestamptz not null
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `drop table deliverers, delivery_shards, delivery_attempts, deliveries, endpoint_set_version, endpoint_counters, endpoints`,
    );
  }
}
