import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the relay to Kafka has published, kept beside the log so that a restored database and its relay agree. */
export class Relay1764000000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table relay_state (
        only_row boolean primary key default true check (only_row),
        topic text not null,
        -- In force for every key, whatever the topic has; changed only when all that was published is consumed.
        partitions int not null check (partitions > 0),
        -- Everything at or below is in the topic.
        generation int not null,
        xact_id xid8 not null,
        seq bigint not null,
        -- How often the relay has been set back; each record carries it.
        lap int not null default 1,
        -- A consumer has found that records are missing from the topic.
        rewind_wanted boolean not null default false,
        -- Of the lease of whoever writes this row: a former relay writes in vain.
        epoch bigint not null default 0
      ) with (fillfactor = 50)`);

    await runner.query(`
      create table relay_partitions (
        partition int primary key check (partition >= 0),
        -- The last event that was published to the partition; its next record names it.
        generation int not null,
        xact_id xid8 not null,
        seq bigint not null,
        -- Where the broker put it, -1 before the first: a topic that ends below has lost records.
        acked_offset bigint not null default -1
      ) with (fillfactor = 50)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table relay_partitions, relay_state`);
  }
}
