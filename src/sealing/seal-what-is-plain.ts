import { setTimeout as delay } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { EnginePool } from '../database/engine-pool.js';
import type { Logger } from '../platform/logger.js';
import type { DataKeys } from './data-keys.js';
import { plainTables, type PlainTable } from './plain-tables.js';

const atATime = 500;
const tellEveryMs = 5000;
const turnMs = 250;
const finishWithinMs = 6 * 3_600_000;
/** Any constant of our own: hubs that start together take it in turn. */
const sealingLock = 7_264_201_882;

/**
 * Seals what a version before this one has kept in plain text, and drops the columns that it lay in. Batch by batch,
 * each a transaction: whoever is killed meanwhile goes on where it was at the next start.
 */
export async function sealWhatIsPlain(
  pool: EnginePool,
  keys: DataKeys,
  logger: Logger,
): Promise<void> {
  if (!(await isUnfinished(pool))) return;
  const turn = await pool.connect();
  try {
    // Asked for again and again: a statement that waited would be ended after half a minute.
    while (!(await isOurTurn(turn))) await delay(turnMs);
    if (!(await isUnfinished(pool))) return;
    for (const table of plainTables) await sealTable(pool, keys, logger, table);
    await finish(pool);
    logger.info('what was kept in plain text is sealed');
  } finally {
    // The connection's end gives the lock back, whatever happened.
    turn.release(true);
  }
}

/** PostgreSQL looks through all events for one that is left, which may take longer than statements of a hub may. */
async function finish(pool: EnginePool): Promise<void> {
  const finishing = { text: 'select hub_finish_sealing()', query_timeout: finishWithinMs };
  await pool.transactionAsOwner(async (client) => {
    await client.query('set local statement_timeout = 0');
    await client.query(finishing);
    await client.query('drop function hub_finish_sealing()');
  });
}

async function isOurTurn(client: PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ ours: boolean }>(
    'select pg_try_advisory_lock($1) as ours',
    [sealingLock],
  );
  return rows[0]!.ours;
}

async function isUnfinished(pool: EnginePool): Promise<boolean> {
  const { rows } = await pool.query<{ unfinished: boolean }>(
    `select to_regproc('hub_finish_sealing') is not null as unfinished`,
  );
  return rows[0]!.unfinished;
}

async function sealTable(
  pool: EnginePool,
  keys: DataKeys,
  logger: Logger,
  { name, first, readSql, sealOne, writeSql }: PlainTable,
): Promise<void> {
  let [after, sealed, toldAt]: [readonly unknown[], number, number] = [first, 0, performance.now()];
  for (;;) {
    const { rows } = await pool.query(readSql, [...after, atATime]);
    if (rows.length === 0) return;
    await keys.prepare(rows.map((row) => row.practice_id ?? null));
    const values = rows.map((row) => sealOne(row, keys.sealing(row.practice_id ?? null)!));
    const sealing = [...columnsOf(rows.map((row) => row.place)), values];
    // The roles of the hub may not change an event.
    await pool.transactionAsOwner((client) => client.query(writeSql, sealing));
    after = rows.at(-1)!.place;
    sealed += rows.length;
    if (performance.now() - toldAt > tellEveryMs) {
      toldAt = performance.now();
      logger.info({ table: name, sealed }, 'sealing what was kept in plain text');
    }
  }
}

function columnsOf(places: readonly (readonly unknown[])[]): unknown[][] {
  return places[0]!.map((_, column) => places.map((place) => place[column]));
}
