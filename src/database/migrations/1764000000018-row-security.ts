import type { MigrationInterface, QueryRunner } from 'typeorm';
import { inScopeSql, isActorSql, isOwnEndpointSql, separate } from '../row-security.js';

/** What belongs to a practice shows to the API only within the scope that a statement names (ADR 10). */
export class RowSecurity1764000000018 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await separate(runner, 'practices', inScopeSql('id'));
    // Practices' own external ids have the nil UUID for a scope.
    await separate(
      runner,
      'external_ids',
      `${inScopeSql('scope_id')}
       or scope_id = '00000000-0000-0000-0000-000000000000' and ${inScopeSql('resource_id')}`,
    );
    // An event of no practice is its source's. Whoever may cause one need not be the one who may read it.
    await separate(
      runner,
      'events',
      `${inScopeSql('practice_id')}
       or practice_id is null and source = (select '/' || current_setting('hub.actor', true))`,
      `practice_id is null or ${inScopeSql('practice_id')}`,
    );
    // A partner also sees what it was granted once, and is not any more.
    await separate(
      runner,
      'grants',
      `${inScopeSql('practice_id')}
       or partner_id = (select substr(actor, 10)::uuid from current_setting('hub.actor', true) as actor
                        where actor ~ '^partners/[0-9a-f-]{36}$')`,
      inScopeSql('practice_id'),
    );

    // What is an endpoint's is its owner's, whatever becomes of the practice that an event was of: its numbers stay.
    await separate(runner, 'endpoints', isActorSql('owner'));
    await separate(runner, 'deliveries', isOwnEndpointSql('endpoint_id'));
    await separate(runner, 'replays', isOwnEndpointSql('endpoint_id'));
    // Written by the statement that makes the endpoint, in whose snapshot there is none yet.
    await separate(runner, 'endpoint_secrets', isOwnEndpointSql('endpoint_id'), 'true');
    for (const table of ['delivery_attempts', 'attempt_responses']) {
      await separate(
        runner,
        table,
        `exists (select from deliveries where deliveries.id = delivery_id)`,
      );
    }
    // Whatever a request did is put on record, also about a practice that its caller reaches no more.
    await separate(runner, 'audit_entries', inScopeSql('practice_id'), 'true');
    await separate(runner, 'api_keys', isActorSql('owner'));
    // Answers that are kept for a repetition may be a patient's record. Test keys' answers are apart from live ones'.
    await separate(
      runner,
      'idempotency_keys',
      `identity in ((select current_setting('hub.actor', true)),
                    (select current_setting('hub.actor', true) || ' test'))`,
    );

    // What everybody's reader of the log needs in order to move on: where events are and whose, and nothing of what
    // they say. A view has its owner's rights, who is the tables' as well.
    await runner.query(`
      create view event_headers as
      select id, type, practice_id, patient_id, account_id, source, subject, actor, generation, xact_id, seq
      from events`);

    // What an owner may hear of follows from all of its practices and grants, whoever asks and under which scope.
    await runner.query(`
      alter function hub_reach(text, uuid[], boolean)
      security definer set search_path = pg_catalog, pg_temp`);

    // Whose transactions hold the log back. The roles of the hub see no other session; who migrates it sees at least
    // the hub's, and with pg_read_all_stats all.
    await runner.query(`
      create function hub_horizon_holders() returns table (holder text, since timestamptz)
      language sql stable security definer set search_path = pg_catalog, pg_temp as $$
        select coalesce(nullif(application_name, ''), usename, 'unknown') || ' (pid ' || pid || ')', xact_start
        from pg_stat_activity
        where backend_xid is not null and xact_start < now() - interval '10 seconds'
        union all
        select 'prepared transaction ' || gid, prepared from pg_prepared_xacts
        where prepared < now() - interval '10 seconds'
      $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `alter function hub_reach(text, uuid[], boolean) security invoker reset all`,
    );
    await runner.query(`drop function hub_horizon_holders()`);
    await runner.query(`drop view event_headers`);
    await runner.query(`
      do $$
      declare found record;
      begin
        for found in select tablename, policyname from pg_policies where schemaname = 'public' loop
          execute format('drop policy %I on %I', found.policyname, found.tablename);
          execute format('alter table %I disable row level security', found.tablename);
        end loop;
      end $$`);
  }
}
