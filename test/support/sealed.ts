import type pg from 'pg';
import type { EnginePool } from '../../src/database/engine-pool.js';
import { Signals } from '../../src/database/signals.js';
import { openEvents, type EventRow } from '../../src/events/log/event-rows.js';
import { eventColumns } from '../../src/events/log/sql/read-log.js';
import { Logger } from '../../src/platform/logger.js';
import { bindingOfSecret } from '../../src/sealing/bindings.js';
import { DataKeys } from '../../src/sealing/data-keys.js';
import { MasterKeys } from '../../src/sealing/master-keys.js';

/** Of every hub that a test starts and gives no other. */
export const testMasterKey = Buffer.alloc(32, 'master key of tests').toString('base64');

/** The keys of a database, by default one whose hubs have the tests' master key, over a pool of the test's own. */
export function testKeys(
  pool: Pick<pg.Pool, 'query'>,
  signals = new Signals(''),
  master = MasterKeys.of([Buffer.from(testMasterKey, 'base64')]),
): DataKeys {
  return new DataKeys(pool as EnginePool, master, signals, new Logger('silent'));
}

/** Events that satisfy a condition, in the order of the log, with their data as it was said. */
export async function readEvents(
  database: pg.Pool,
  where = 'true',
  values: unknown[] = [],
): Promise<(EventRow & { data: any })[]> {
  const { rows } = await database.query<EventRow>(
    `select ${eventColumns} from events as e where ${where} order by e.generation, e.xact_id, e.seq`,
    values,
  );
  const opened = await openEvents(rows, testKeys(database));
  return rows.map((row, i) => ({ ...row, data: opened[i]!.data }));
}

/** The signing secrets that a database holds, of one endpoint or of all. */
export async function secretsOf(database: pg.Pool, endpointId?: string): Promise<string[]> {
  const { rows } = await database.query<{ endpoint_id: string; sealed: Buffer }>(
    'select endpoint_id, sealed from endpoint_secrets where $1::uuid is null or endpoint_id = $1',
    [endpointId ?? null],
  );
  const sealed = rows.map((row) => ({ ...row, binding: bindingOfSecret(row.endpoint_id) }));
  return (await testKeys(database).open(sealed)) as string[];
}
