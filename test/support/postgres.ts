import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const OBJECT_IN_USE = '55006';

/**
 * A database of the caller's own with every migration applied, cloned from the run's template; a spec file
 * takes one in `beforeAll` and drops it in `afterAll`.
 */
export function createTestDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  return createDatabase(required('TEST_POSTGRES_TEMPLATE'));
}

/** One without any table, for what an earlier version may have left behind. */
export function createEmptyDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  return createDatabase('template0');
}

async function createDatabase(template: string): Promise<{ url: string; drop(): Promise<void> }> {
  const adminUrl = required('TEST_POSTGRES_URL');
  const ofRun = required('TEST_POSTGRES_TEMPLATE');
  const run = ofRun.slice(ofRun.lastIndexOf('_') + 1);
  const name = `hub_test_${run}_${randomBytes(6).toString('hex')}`;
  // Copying files takes 19 ms, PostgreSQL's default of writing each page to the log 140 ms; before 15 the
  // files are always copied and the word is unknown.
  const strategy = process.env.TEST_DATABASE_URL ? '' : 'STRATEGY file_copy';
  const deadline = performance.now() + 30_000;
  for (;;) {
    try {
      await execute(adminUrl, `CREATE DATABASE ${name} TEMPLATE ${template} ${strategy}`);
      break;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== OBJECT_IN_USE || performance.now() > deadline) throw error;
      await delay(50);
    }
  }
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => execute(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run specs with jest and its global setup`);
  return value;
}

/** Names made here only ever hold letters, digits and underscores; DDL takes no parameters. */
async function execute(adminUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
