import { DataSource, type QueryRunner } from 'typeorm';
import { EventLog1764000000001 } from './migrations/1764000000001-event-log.js';
import { Requests1764000000002 } from './migrations/1764000000002-requests.js';
import { Practices1764000000003 } from './migrations/1764000000003-practices.js';
import { Patients1764000000004 } from './migrations/1764000000004-patients.js';
import { Appointments1764000000005 } from './migrations/1764000000005-appointments.js';
import { Ledger1764000000006 } from './migrations/1764000000006-ledger.js';
import { Reminders1764000000007 } from './migrations/1764000000007-reminders.js';
import { Subscriptions1764000000008 } from './migrations/1764000000008-subscriptions.js';
import { Relay1764000000009 } from './migrations/1764000000009-relay.js';
import { DeliveryEngine1764000000010 } from './migrations/1764000000010-delivery-engine.js';
import { EndpointEnabled1764000000011 } from './migrations/1764000000011-endpoint-enabled.js';
import { Applications1764000000012 } from './migrations/1764000000012-applications.js';
import { Partners1764000000013 } from './migrations/1764000000013-partners.js';
import { Grants1764000000014 } from './migrations/1764000000014-grants.js';
import { Reach1764000000015 } from './migrations/1764000000015-reach.js';
import { Sealing1764000000016 } from './migrations/1764000000016-sealing.js';
import { Audit1764000000017 } from './migrations/1764000000017-audit.js';
import { RowSecurity1764000000018 } from './migrations/1764000000018-row-security.js';
import { AccessTokens1764000000019 } from './migrations/1764000000019-access-tokens.js';
import { Disclosures1764000000020 } from './migrations/1764000000020-disclosures.js';
import { Erasure1764000000021 } from './migrations/1764000000021-erasure.js';
import { DisclosureGuards1764000000024 } from './migrations/1764000000024-disclosure-guards.js';
import { GuarantorsAndResends1764000000025 } from './migrations/1764000000025-guarantors-and-resends.js';
import { ensureRoles } from './roles.js';
import { isInsecure, secureTables } from './row-security.js';

/** In the order in which they came to be. */
export const migrations = [
  EventLog1764000000001,
  Requests1764000000002,
  Practices1764000000003,
  Patients1764000000004,
  Appointments1764000000005,
  Ledger1764000000006,
  Reminders1764000000007,
  Subscriptions1764000000008,
  Relay1764000000009,
  DeliveryEngine1764000000010,
  EndpointEnabled1764000000011,
  Applications1764000000012,
  Partners1764000000013,
  Grants1764000000014,
  Reach1764000000015,
  Sealing1764000000016,
  Audit1764000000017,
  RowSecurity1764000000018,
  AccessTokens1764000000019,
  Disclosures1764000000020,
  Erasure1764000000021,
  DisclosureGuards1764000000024,
  GuarantorsAndResends1764000000025,
];

const leastServerVersion = 14;
/** Any constant of our own; hubs that start together take it in turn. */
const migrationLock = 7_264_201_881;

/** Thrown where the server is too old for the hub. */
export class UnsupportedServer extends Error {}

/**
 * Brings the database to the schema of this version. Hubs that start at the same moment wait for each other.
 * @throws UnsupportedServer below PostgreSQL 14; RolesMissing where its user may not make the hub's roles.
 */
export async function migrate(url: string): Promise<void> {
  const source = new DataSource({
    type: 'postgres',
    url,
    migrations,
    migrationsTransactionMode: 'all',
    poolSize: 2,
    applicationName: 'practice-event-hub migrations',
    connectTimeoutMS: 10_000,
  });
  await source.initialize();
  const guard = source.createQueryRunner();
  try {
    const [{ version }] = await guard.query(
      `select current_setting('server_version_num')::int / 10000 as version`,
    );
    if (version < leastServerVersion) {
      throw new UnsupportedServer(
        `This server is PostgreSQL ${version}; the hub needs ${leastServerVersion} or later.`,
      );
    }
    await guard.query(`select pg_advisory_lock($1)`, [migrationLock]);
    await ensureRoles(guard);
    const done = await source.runMigrations();
    if (done.length > 0 || (await isInsecure(guard))) await secure(guard);
  } finally {
    // The session's end gives the lock back.
    await guard.release();
    await source.destroy();
  }
}

/** In one transaction, so that no table is open to the hub's roles before it is separated. */
async function secure(runner: QueryRunner): Promise<void> {
  await runner.startTransaction();
  try {
    await secureTables(runner);
    await runner.commitTransaction();
  } catch (error) {
    await runner.rollbackTransaction();
    throw error;
  }
}
