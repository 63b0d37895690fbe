import type { QueryRunner } from 'typeorm';
import { apiRole, engineRole } from './roles.js';

/**
 * Whether the practice in a column is in the session's scope. Both settings are read in a sub-select without a
 * reference to the row, so that PostgreSQL reads and casts them once a statement and compares per row: a function
 * called for each row took 14 µs each time.
 */
export function inScopeSql(column: string): string {
  return `((select current_setting('hub.practices', true)) = '*' or ${column} = any (
    (select string_to_array(nullif(current_setting('hub.practices', true), '*'), ',')::uuid[])::uuid[]))`;
}

/** Whether a column names the session's actor; the operator is everybody. */
export function isActorSql(column: string): string {
  return `((select current_setting('hub.actor', true)) in ('operator', ${column}))`;
}

/** Whether a column names an endpoint of the session's actor. */
export function isOwnEndpointSql(column: string): string {
  return `((select current_setting('hub.actor', true)) = 'operator' or ${column} in (
    select endpoints.id from endpoints where owner = (select current_setting('hub.actor', true))))`;
}

/**
 * Lets the API see and change only those rows of a table that satisfy a condition. The engine carries the events of
 * all practices; what it may bring to whom is decided where it routes.
 * @param check what a new row has to satisfy, where that is something else
 */
export async function separate(
  runner: QueryRunner,
  table: string,
  using: string,
  check = using,
): Promise<void> {
  await runner.query(`alter table ${table} enable row level security`);
  await runner.query(
    `create policy api on ${table} to ${apiRole} using (${using}) with check (${check})`,
  );
  await runner.query(`create policy engine on ${table} to ${engineRole} using (true)`);
}

/** Tables that say of which practice each row is, and which no migration has separated. */
const unseparatedSql = `
  select quote_ident(c.relname) as table
  from pg_class as c join pg_attribute as a on a.attrelid = c.oid
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attname = 'practice_id' and not a.attisdropped and not c.relrowsecurity`;

/**
 * What each role may do with which tables and views, as statements for what is not so yet. A table that refuses
 * changes by a trigger refuses them to the roles by its rights too. Partitions are reached through their tables only:
 * policies are those of the table that a statement names.
 *
 * - $1 the role, $2 tables that are nothing to it, $3 tables that it only reads.
 */
const rightsSql = `
  select format(case when wanted then 'grant %s on %I to %I' else 'revoke %s on %I from %I' end,
                privilege, relname, $1::text) as statement
  from (
    select c.oid, c.relname, privilege,
           relname <> all ($2::text[]) and case
             when privilege = 'select' then true
             when c.relkind = 'v' or relname = any ($3::text[]) then false
             when privilege = 'insert' then true
             else not exists (
               select from pg_trigger where tgrelid = c.oid and tgfoid = 'hub_refuse_change'::regproc)
           end as wanted
    from pg_class as c cross join unnest(array['select', 'insert', 'update', 'delete']) as privilege
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition
  ) as rights
  where wanted <> has_table_privilege($1::text, oid, privilege)`;

/** Whether a table is left that the engine may not read: of a dump restored without rights, or a start that was cut off. */
export async function isInsecure(runner: QueryRunner): Promise<boolean> {
  const [{ found }] = await runner.query(
    `select exists (
       select from pg_class
       where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
         and relname <> all ($2::text[]) and not has_table_privilege($1::text, oid, 'select')) as found`,
    [engineRole, ofMigrations],
  );
  return found;
}

const ofMigrations = ['migrations'];
/** The operator's keys, and how far the engine has got: a request has no business there. */
const ofTheEngine = [
  'operator_keys',
  'data_keys',
  'audit_writers',
  'audit_blocks',
  'audit_settings',
  'leases',
  'deliverers',
  'delivery_shards',
];
const readByTheApi = ['consumer_cursors', 'relay_state', 'log_retention', 'parked_events'];

/**
 * Separates tables by practice that nobody has separated, and gives the roles their rights. After every migration, so
 * that a new table has both without a thought.
 */
export async function secureTables(runner: QueryRunner): Promise<void> {
  const unseparated: { table: string }[] = await runner.query(unseparatedSql);
  for (const { table } of unseparated) {
    // What is of no practice is written by whoever, and read by the operator.
    const check = `practice_id is null or ${inScopeSql('practice_id')}`;
    await separate(runner, table, inScopeSql('practice_id'), check);
  }
  await runner.query(`grant usage on schema public to ${apiRole}, ${engineRole}`);
  const rights: { statement: string }[] = [
    ...(await runner.query(rightsSql, [apiRole, [...ofMigrations, ...ofTheEngine], readByTheApi])),
    ...(await runner.query(rightsSql, [engineRole, ofMigrations, []])),
  ];
  for (const { statement } of rights) await runner.query(statement);
  // Whether something of a practice was erased with its key, for manifests; never a key, though it is wrapped.
  await runner.query(`grant select (number, practice_id, destroyed_at) on data_keys to ${apiRole}`);
}
