import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { register } from 'tsx/esm/api';

const PREFIX = 'practice-event-hub-jest-';

/**
 * One server for the whole run: a temporary embedded one, or the existing one of TEST_DATABASE_URL. In it a
 * migrated template, which every spec file clones (test/support/postgres.ts). Workers get both by environment.
 */
export default async function globalSetup() {
  // Jest loads this file as it is; the hub's own code is TypeScript.
  register();
  // Of this run alone: two runs may share the server of TEST_DATABASE_URL.
  const run = randomBytes(4).toString('hex');
  const template = `hub_template_${run}`;
  const starting = process.env.TEST_DATABASE_URL
    ? { url: process.env.TEST_DATABASE_URL, stop: () => dropDatabases(run) }
    : startServer();
  globalThis.stopTestPostgres = async () => (await starting).stop();
  stopOnSignals();
  const { url, stop } = await starting;
  try {
    await createTemplate(url, template);
  } catch (error) {
    await stop();
    throw error;
  }
  process.env.TEST_POSTGRES_URL = url;
  process.env.TEST_POSTGRES_TEMPLATE = template;
  // Kafka only gets ready to be started: by the first spec file that asks for it (test/support/kafka.ts).
  const { prepareKafka } = await import('./kafka-run.ts');
  globalThis.stopTestKafka = await prepareKafka();
}

async function startServer() {
  const { startEmbeddedPostgres } = await import('../../src/database/embedded-postgres.ts');
  await removeLeftOvers();
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const removeFolder = () => rm(folder, { recursive: true, force: true });
  try {
    const server = await startEmbeddedPostgres({ dataDir: folder, durable: false, log: () => {} });
    return {
      url: server.url,
      async stop() {
        await server.stop();
        // As root below a private temporary folder, the data lies elsewhere.
        await rm(server.dataDir, { recursive: true, force: true });
        await removeFolder();
      },
    };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

/** A run ended by kill -9 leaves its folder; its server ends by itself. */
async function removeLeftOvers() {
  for (const name of await readdir(tmpdir())) {
    const pid = Number(name.startsWith(PREFIX) && name.slice(PREFIX.length).split('-')[0]);
    if (!pid || isRunning(pid)) continue;
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {});
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function createTemplate(url, template) {
  const { migrate } = await import('../../src/database/migrate.ts');
  await withClient(url, (client) => client.query(`CREATE DATABASE ${template}`));
  const target = new URL(url);
  target.pathname = `/${template}`;
  await migrate(target.href);
  // PostgreSQL refuses to clone a database that anybody is connected to.
  await withClient(url, (client) =>
    client.query(`ALTER DATABASE ${template} ALLOW_CONNECTIONS false`),
  );
}

/** On a server that stays, what the run made goes: the template and databases that no spec dropped. */
async function dropDatabases(run) {
  await withClient(process.env.TEST_DATABASE_URL, async (client) => {
    const { rows } = await client.query('SELECT datname FROM pg_database WHERE datname LIKE $1', [
      `hub\\_%\\_${run}%`,
    ]);
    for (const { datname } of rows) {
      await client.query(`DROP DATABASE ${pg.escapeIdentifier(datname)} WITH (FORCE)`);
    }
  });
}

async function withClient(url, use) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

/** Jest runs no teardown when it is interrupted. */
function stopOnSignals() {
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ]) {
    process.once(signal, async () => {
      await globalThis.stopTestPostgres().catch(() => {});
      process.exit(128 + number);
    });
  }
}
