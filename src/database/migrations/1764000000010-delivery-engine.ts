import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Endpoint settings, secrets and health; deliveries whose rows are written twice and indexed once; the queues beside
 * them (retries, followers), replays, and what receivers answered.
 */
export class DeliveryEngine1764000000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table endpoints
        add column filter jsonb,
        add column headers jsonb,
        add column content_type text not null default 'application/json'
          check (content_type in ('application/json', 'application/cloudevents+json')),
        add column timeout_seconds smallint check (timeout_seconds between 1 and 30),
        add column max_concurrency smallint check (max_concurrency between 1 and 1000),
        add column rate_per_second int check (rate_per_second between 1 and 100000),
        add column ordering text not null default 'none' check (ordering in ('none', 'subject', 'practice')),
        add column retry_schedule text not null default 'default',
        add column exclude_own boolean not null default false,
        add column metadata jsonb,
        -- 'unproven': it may not be enabled before its owner has answered the challenge.
        add column ownership text not null default 'assumed' check (ownership in ('assumed', 'unproven', 'proven')),
        -- A test or challenge that its owner asked for is under way, at the latest until then: one at a time.
        add column called_until timestamptz(3),
        add check (not (enabled and ownership = 'unproven'))`);

    // Several at a time while a rotation overlaps. The current one has no end.
    await runner.query(`
      create table endpoint_secrets (
        id uuid primary key default hub_uuid_v7(),
        endpoint_id uuid not null references endpoints,
        kind text not null check (kind in ('hmac', 'ed25519')),
        secret text not null,
        -- Of an ed25519 pair, in order to show it without reading the secret.
        public_key text check ((kind = 'ed25519') = (public_key is not null)),
        created_at timestamptz(3) not null default clock_timestamp(),
        expires_at timestamptz(3)
      )`);
    await runner.query(`create index endpoint_secrets_endpoint on endpoint_secrets (endpoint_id)`);
    await runner.query(`
      insert into endpoint_secrets (endpoint_id, kind, secret, created_at)
      select id, 'hmac', secret, created_at from endpoints where deleted_at is null`);
    await runner.query(`alter table endpoints drop column secret`);

    // Apart from the endpoint's row: the engine writes here, the owner there. No row: all is well.
    await runner.query(`
      create table endpoint_health (
        endpoint_id uuid primary key references endpoints,
        -- The first failure since the last success.
        failing_since timestamptz(3),
        -- While the circuit is open: when one delivery may try again, and how often that has failed.
        open_until timestamptz(3),
        probes_failed int not null default 0,
        -- The receiver asked to be left alone until then.
        throttled_until timestamptz(3),
        last_error text,
        check (open_until is null or failing_since is not null)
      ) with (fillfactor = 50)`);

    // Every delivery up to this number has had its first result recorded, or stands among the followers. Written about
    // once a second and so behind the truth: whoever starts from it passes over what is settled already.
    await runner.query(`
      create table endpoint_progress (
        endpoint_id uuid primary key references endpoints,
        attempted_through bigint not null default 0
      ) with (fillfactor = 50)`);
    await runner.query(`
      insert into endpoint_progress (endpoint_id, attempted_through)
      select e.id, coalesce(
        (select min(sequence) - 1 from deliveries as d where d.endpoint_id = e.id and d.status = 'pending'),
        c.last_sequence,
        -- A deleted one has no counter any more.
        (select max(sequence) from deliveries as d where d.endpoint_id = e.id),
        0)
      from endpoints as e
      left join endpoint_counters as c on c.endpoint_id = e.id`);

    // Deliveries that wait for a moment: another attempt, or the first one of an ordered key that failed before.
    // A table of its own, because an index on deliveries that names status would make every update of every delivery
    // write all of its index entries again (no HOT): 75 instead of 45 microseconds of PostgreSQL a delivery.
    await runner.query(`
      create table delivery_retries (
        delivery_id uuid primary key,
        endpoint_id uuid not null,
        sequence bigint not null,
        event_id uuid not null,
        attempts smallint not null,
        next_attempt_at timestamptz(3) not null,
        -- Of an endpoint with ordering: later deliveries of this key wait for this one.
        order_key text,
        replay_id uuid
      ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)`);
    await runner.query(
      `create index delivery_retries_due on delivery_retries (endpoint_id, next_attempt_at)`,
    );
    await runner.query(
      `create index delivery_retries_key on delivery_retries (endpoint_id, order_key) where order_key is not null`,
    );
    await runner.query(`
      insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at)
      select id, endpoint_id, sequence, event_id, attempts, next_attempt_at from deliveries where status = 'failed'`);

    // Pending deliveries whose key is held up by an earlier one. Out of the way of the stream until it settles.
    await runner.query(`
      create table delivery_followers (
        delivery_id uuid primary key,
        endpoint_id uuid not null,
        order_key text not null,
        sequence bigint not null,
        event_id uuid not null
      ) with (autovacuum_vacuum_scale_factor = 0.02)`);
    await runner.query(
      `create index delivery_followers_key on delivery_followers (endpoint_id, order_key, sequence)`,
    );

    await runner.query(`drop index deliveries_pending`);
    await runner.query(`drop index deliveries_retry`);
    await runner.query(`alter table deliveries add column replay_id uuid`);
    // Half of each page is left for the second version of its rows, which then needs no index entries.
    await runner.query(`
      do $$
      declare part regclass;
      begin
        for part in select inhrelid::regclass from pg_inherits where inhparent = 'deliveries'::regclass loop
          execute format('alter table %s set (fillfactor = 50)', part);
        end loop;
      end $$`);

    // The first KB of what a receiver answered to a failed attempt. It may echo a patient's data, so it is kept apart,
    // for a week, and never logged.
    await runner.query(`
      create table attempt_responses (
        delivery_id uuid not null,
        number smallint not null,
        body text not null,
        at timestamptz(3) not null default clock_timestamp(),
        primary key (delivery_id, number)
      )`);
    await runner.query(`create index attempt_responses_at on attempt_responses (at)`);

    await runner.query(`
      create table replays (
        id uuid primary key,
        endpoint_id uuid not null references endpoints,
        state text not null check (state in ('collecting', 'running', 'completed', 'cancelled', 'failed')),
        -- What was asked for, as it was asked.
        request jsonb not null,
        missing boolean not null,
        rate_per_second int not null check (rate_per_second > 0),
        matched int not null default 0,
        sent int not null default 0,
        failure text,
        actor text not null,
        correlation_id text not null,
        version int not null default 1,
        created_at timestamptz(3) not null default clock_timestamp(),
        updated_at timestamptz(3) not null default clock_timestamp(),
        finished_at timestamptz(3),
        check ((state in ('completed', 'cancelled', 'failed')) = (finished_at is not null)),
        check ((state = 'failed') = (failure is not null))
      )`);
    await runner.query(`create index replays_endpoint on replays (endpoint_id, id)`);
    // One at a time for an endpoint.
    await runner.query(
      `create unique index replays_open on replays (endpoint_id) where state in ('collecting', 'running')`,
    );
    // How much of a replay waits. Costs nothing for what is not of one.
    await runner.query(
      `create index delivery_retries_replay on delivery_retries (replay_id) where replay_id is not null`,
    );
    // What a replay has found and not yet queued: a delivery to send again, or an event that never was one.
    await runner.query(`
      create table replay_items (
        replay_id uuid not null references replays on delete cascade,
        place bigint not null,
        event_id uuid not null,
        delivery_id uuid,
        primary key (replay_id, place)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table replay_items, replays, attempt_responses`);
    await runner.query(`alter table deliveries drop column replay_id`);
    await runner.query(
      `create index deliveries_pending on deliveries (endpoint_id, sequence) where status = 'pending'`,
    );
    await runner.query(
      `create index deliveries_retry on deliveries (endpoint_id, next_attempt_at) where status = 'failed'`,
    );
    await runner.query(
      `drop table delivery_followers, delivery_retries, endpoint_progress, endpoint_health`,
    );
    await runner.query(`alter table endpoints add column secret text`);
    await runner.query(`
      update endpoints as e set secret = coalesce(
        (select secret from endpoint_secrets as s
         where s.endpoint_id = e.id and kind = 'hmac' order by created_at desc limit 1), '')`);
    await runner.query(`alter table endpoints alter column secret set not null`);
    await runner.query(`drop table endpoint_secrets`);
    await runner.query(`
      alter table endpoints
        drop column filter, drop column headers, drop column content_type, drop column timeout_seconds,
        drop column max_concurrency, drop column rate_per_second, drop column ordering, drop column retry_schedule,
        drop column exclude_own, drop column metadata, drop column ownership, drop column called_until`);
  }
}
