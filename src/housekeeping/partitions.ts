import type { PoolClient } from 'pg';
import type { Settings } from '../platform/settings.js';

/** Tables in ranges of time-ordered ids (UUIDv7): a partition is a span of days, and an id names its partition. */
export const partitionedTables = [
  'events',
  'deliveries',
  'delivery_attempts',
  'disclosures',
] as const;
export type PartitionedTable = (typeof partitionedTables)[number];

/** The column each table is partitioned by. */
const keyOf: Record<PartitionedTable, string> = {
  events: 'id',
  deliveries: 'id',
  delivery_attempts: 'delivery_id',
  disclosures: 'id',
};

/**
 * How full pages are filled, in percent. Every delivery is updated once: with half of its page left free the second
 * version needs no new index entries (HOT), which is a quarter of what a delivery costs PostgreSQL.
 */
const fillOf: Record<PartitionedTable, number> = {
  events: 100,
  deliveries: 50,
  delivery_attempts: 100,
  disclosures: 100,
};

/**
 * Tables whose rows nobody may delete, and what sees to it; moving them between partitions is no deletion. Partitions
 * inherit it, but not the guard against TRUNCATE, which looks at the table that a statement names.
 */
const guardOf: Partial<Record<PartitionedTable, string>> = {
  disclosures: 'disclosures_append_only',
};

/** How long a table's rows are kept, in days: what was disclosed for years, long after the events are gone. */
export function retentionOf(
  table: PartitionedTable,
  {
    eventRetentionDays,
    disclosureRetentionYears,
  }: Pick<Settings, 'eventRetentionDays' | 'disclosureRetentionYears'>,
): number {
  return table === 'disclosures' ? disclosureRetentionYears * 366 : eventRetentionDays;
}

export interface Partition {
  table: PartitionedTable;
  name: string;
  /** Days, UTC; `to` is the first one that is not in it. */
  from: Date;
  to: Date;
}

const dayMs = 86_400_000;
const daysAhead = 7;

/**
 * How wide partitions are, in days. About a dozen cover the retention whatever it is, since every read by position
 * touches them all (366 partitions cost 35 ms of planning a read).
 */
export function partitionDays(retentionDays: number): number {
  return Math.max(1, Math.ceil(retentionDays / 10));
}

/** Spans that are missing for the days from `today` on. Pure. */
export function missingSpans(
  existing: readonly Pick<Partition, 'to'>[],
  today: Date,
  days: number,
): { from: Date; to: Date }[] {
  const spans: { from: Date; to: Date }[] = [];
  const last = Math.max(today.getTime(), ...existing.map(({ to }) => to.getTime()));
  for (let from = last; from < today.getTime() + daysAhead * dayMs; from += days * dayMs) {
    spans.push({ from: new Date(from), to: new Date(from + days * dayMs) });
  }
  return spans;
}

/** The partitions there are, oldest first; the default one, which has no span, is not among them. */
export async function partitionsOf(
  client: PoolClient,
  table: PartitionedTable,
): Promise<Partition[]> {
  const { rows } = await client.query<{ name: string }>(
    `select c.relname as name from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
     where i.inhparent = $1::regclass order by c.relname`,
    [table],
  );
  return rows.flatMap(({ name }) => {
    const span = /_(\d{8})_(\d{8})$/.exec(name);
    return span ? [{ table, name, from: dayOf(span[1]!), to: dayOf(span[2]!) }] : [];
  });
}

/**
 * Makes the partitions of the coming days. Call it in a transaction that is the only one to do so.
 * A new table is filled from the default partition before it is attached: rows that came while no partition covered
 * their day move where they belong.
 */
export async function createAhead(
  client: PoolClient,
  table: PartitionedTable,
  today: Date,
  days: number,
): Promise<void> {
  for (const { from, to } of missingSpans(await partitionsOf(client, table), today, days)) {
    const name = `${table}_${stamp(from)}_${stamp(to)}`;
    const bounds = await boundsOf(client, from, to);
    const key = keyOf[table];
    // Identifiers cannot be parameters; all of these are made here, of constants, digits and hexadecimal ids.
    await client.query(
      `create table ${name} (like ${table} including defaults including constraints)
       with (fillfactor = ${fillOf[table]})`,
    );
    const guard = guardOf[table];
    if (guard) await client.query(`alter table ${table}_default disable trigger ${guard}`);
    await client.query(
      `with moved as (
         delete from ${table}_default where ${key} >= '${bounds.from}' and ${key} < '${bounds.to}' returning *
       ) insert into ${name} select * from moved`,
    );
    if (guard) await client.query(`alter table ${table}_default enable trigger ${guard}`);
    await client.query(
      `alter table ${table} attach partition ${name} for values from ('${bounds.from}') to ('${bounds.to}')`,
    );
    if (guard) {
      await client.query(
        `create trigger ${name}_no_truncate before truncate on ${name}
         for each statement execute function public.hub_refuse_change()`,
      );
    }
  }
}

/** The least ids of two moments, between which everything made in that span lies. */
export async function boundsOf(
  client: PoolClient,
  from: Date,
  to: Date,
): Promise<{ from: string; to: string }> {
  const { rows } = await client.query(
    `select hub_uuid_v7_floor($1) as from, hub_uuid_v7_floor($2) as to`,
    [from, to],
  );
  return rows[0];
}

function stamp(day: Date): string {
  return day.toISOString().slice(0, 10).replaceAll('-', '');
}

function dayOf(stamped: string): Date {
  return new Date(`${stamped.slice(0, 4)}-${stamped.slice(4, 6)}-${stamped.slice(6)}T00:00:00Z`);
}
