import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Partitions of disclosures that there are: nobody empties one of them by its own name either. */
export class DisclosureGuards1764000000024 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const name of await partitions(runner)) {
      await runner.query(`
        create trigger ${name}_no_truncate before truncate on ${name}
        for each statement execute function public.hub_refuse_change()`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of await partitions(runner)) {
      await runner.query(`drop trigger if exists ${name}_no_truncate on ${name}`);
    }
  }
}

/** All of them, the default one too; the hub has given them their names (`housekeeping/partitions.ts`). */
async function partitions(runner: QueryRunner): Promise<string[]> {
  const rows: { name: string }[] = await runner.query(
    `select relname as name from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'disclosures'::regclass order by relname`,
  );
  return rows.map(({ name }) => name);
}
