import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { AuditKeyError } from '../audit/head-key.js';
import { ensurePassword, HUB_ROLE } from '../database/embedded/cluster.js';
import { resolveDataPlace } from '../database/embedded/data-place.js';
import { EmbeddedPostgresError } from '../database/embedded/embedded-postgres-error.js';
import { InvalidSettings, readSettings, type Settings } from '../platform/settings.js';
import { MasterKeyMissing } from '../sealing/master-keys.js';

/** A mistake of the operator's, told in a sentence. */
export class Mistake extends Error {}

/** A command that was called wrongly: what is wrong stands above the help, which says how it is called. */
export class Misuse extends Mistake {
  constructor(wrong: string, help: string) {
    super(`${wrong}\n\n${help}`);
  }
}

/** How the command is called from where it was called, so that what it suggests can be run as it stands there. */
export function calledAs(name: string): string {
  return process.env.npm_lifecycle_event === name
    ? `npm run ${name} --`
    : `node dist/commands/${name}.js`;
}

/** Whoever runs the command, for the audit trail, where nobody else is named. */
export function userOfCommand(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a user who has a number alone.
    return `uid ${process.getuid?.()}`;
  }
}

/** As a hub reads them, from the environment and `.env`. @throws InvalidSettings */
export function settingsOfCommand(): Settings {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return readSettings(process.env);
}

/** The database of DATABASE_URL, else the embedded one of a hub that runs. @throws Mistake */
export async function databaseUrlOf(settings: Settings): Promise<string> {
  return settings.databaseUrl ?? (await embeddedUrl(settings));
}

/**
 * A connection for a command, which ends it.
 * @param queryTimeoutMs of each statement
 * @throws Mistake
 */
export async function connectTo(
  settings: Settings,
  command: string,
  queryTimeoutMs: number,
): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: await databaseUrlOf(settings),
    connectionTimeoutMillis: 10_000,
    query_timeout: queryTimeoutMs,
    application_name: `practice-event-hub ${command}`,
  });
  await client.connect();
  return client;
}

/** The running server says in its pid file where it listens. */
async function embeddedUrl({ dataDir }: Settings): Promise<string> {
  const folder = join(dataDir, 'postgres');
  const place = existsSync(folder) ? await resolveDataPlace(folder) : undefined;
  const pidFile =
    place && (await readFile(join(place.data, 'postmaster.pid'), 'utf8').catch(() => ''));
  const port = pidFile?.split('\n')[3];
  if (!place || !port) {
    throw new Mistake(
      `No hub is running on ${dataDir}. Start it, or set DATABASE_URL or HUB_DATA_DIR.`,
    );
  }
  return `postgres://${HUB_ROLE}:${await ensurePassword(place)}@127.0.0.1:${Number(port)}/hub`;
}

/** SQLSTATE. */
const undefinedTable = '42P01';

/** Ends a command that failed: mistakes of the operator's get a sentence, ours a stack. */
export function failed(error: unknown): void {
  const { code } = error as { code?: string };
  const expected =
    error instanceof Mistake ||
    error instanceof AuditKeyError ||
    error instanceof InvalidSettings ||
    error instanceof MasterKeyMissing ||
    error instanceof EmbeddedPostgresError;
  if (code === 'ECONNREFUSED') {
    console.error('The database refuses connections. Is the hub running?');
  } else if (code === undefinedTable) {
    console.error('The database lacks tables of this version. Start a hub of it there first.');
  } else console.error(expected ? error.message : error);
  process.exitCode = 1;
}
