import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { AuditKeyError } from './audit/head-key.js';
import { EmbeddedPostgresError } from './database/embedded/embedded-postgres-error.js';
import { UnsupportedServer } from './database/migrate.js';
import { RolesMissing } from './database/roles.js';
import { startHub, type RunningHub } from './hub.js';
import { InvalidSettings, readSettings } from './platform/settings.js';
import { MasterKeyMissing } from './sealing/master-keys.js';

/** Closing takes seconds; after this the process goes anyway, and the leases run out by themselves. */
const closeWithinMs = 25_000;

async function main(): Promise<void> {
  // Whoever reads the output may be gone, with Ctrl-C in `npm start | tee log` for one: no reason to end in disorder.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  if (existsSync('.env')) process.loadEnvFile('.env');
  const settings = readSettings(process.env);
  const hub = await startHub(settings);
  closeOnSignal(hub);
  process.stdout.write(welcome(hub, settings.operatorKey !== undefined));
}

function closeOnSignal(hub: RunningHub): void {
  let closing = false;
  const close = (signal: NodeJS.Signals) => {
    if (closing) return;
    closing = true;
    process.stdout.write(`${signal}: finishing what is under way …\n`);
    setTimeout(() => process.exit(1), closeWithinMs).unref();
    void hub.close().then(() => process.exit(0));
  };
  process.on('SIGINT', close);
  process.on('SIGTERM', close);
}

function welcome(
  { url, dataDir, masterKeyFile, createdKey }: RunningHub,
  keyConfigured: boolean,
): string {
  const key =
    createdKey ?? (keyConfigured ? '$HUB_OPERATOR_KEY' : '<the key printed at the first start>');
  const lines = [
    '',
    `Practice Event Hub is ready at ${url}`,
    `  docs     ${url}/docs`,
    ...(dataDir ? [`  data     ${dataDir}`] : []),
    ...(masterKeyFile
      ? [`  sealed   under ${masterKeyFile}   (back it up: without it the data cannot be read)`]
      : []),
    createdKey
      ? `  key      ${createdKey}   (shown this once: keep it, or set HUB_OPERATOR_KEY)`
      : `  key      ${keyConfigured ? 'the one in HUB_OPERATOR_KEY' : 'the one printed at the first start (lost? set HUB_OPERATOR_KEY)'}`,
    '',
    'Make a practice:',
    `  curl ${url}/v1/practices -H "Authorization: Bearer ${key}" -H 'Content-Type: application/json' \\`,
    `    -d '{"name":"Elm Street Dental","kind":"dental","timeZone":"America/Chicago","currency":"USD"}'`,
    '',
    '',
  ];
  return lines.join('\n');
}

/** Mistakes of the operator's get a sentence, ours a stack. */
function explain(error: unknown): string {
  const expected =
    error instanceof InvalidSettings ||
    error instanceof AuditKeyError ||
    error instanceof EmbeddedPostgresError ||
    error instanceof MasterKeyMissing ||
    error instanceof RolesMissing ||
    error instanceof UnsupportedServer;
  if (expected) return error.message;
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'EADDRINUSE') return 'The port is taken by another program. Set PORT to a free one.';
  if (code === 'ECONNREFUSED') return 'The database at DATABASE_URL refuses connections.';
  return error instanceof Error ? (error.stack ?? error.message) : String(message ?? error);
}

main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
});
