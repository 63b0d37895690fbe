import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { recordRefusals } from './audit/refusals.js';
import { prepareAuditPartitions } from './audit/retention.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './database/embedded-postgres.js';
import { EnginePool } from './database/engine-pool.js';
import { isTransient } from './database/errors.js';
import { migrate } from './database/migrate.js';
import { Signals } from './database/signals.js';
import { preparePartitions } from './housekeeping/housekeeping.service.js';
import { forgetOperatorKeys, loadOperatorKeys } from './platform/access/operator-key.js';
import { serveDocs } from './platform/http/open-api.js';
import { tellBrowsers } from './platform/http/browsers.js';
import { limitRates } from './platform/http/rate-limits.js';
import { httpAdapter, prepareServer } from './platform/http/server.js';
import { Logger } from './platform/logger.js';
import { looseSettings } from './platform/safe-defaults.js';
import type { Settings } from './platform/settings.js';
import { DataKeys } from './sealing/data-keys.js';
import {
  assertMasterKeyGiven,
  isOpenToOthers,
  loadMasterKeys,
} from './sealing/load-master-keys.js';
import { sealWhatIsPlain } from './sealing/seal-what-is-plain.js';
import { logOpenNetworks } from './subscriptions/deliveries/open-networks.js';

export interface RunningHub {
  /** Where the API answers, without a slash at the end. */
  url: string;
  app: NestFastifyApplication;
  /** Where the embedded database keeps its data, if it is the embedded one. */
  dataDir?: string;
  /** Where its master keys lie, if in a file. */
  masterKeyFile?: string;
  /** The operator's key, if it was made just now; it cannot be had again. */
  createdKey?: string;
  /** Finishes what is under way, gives back every lease, stops the embedded database. */
  close(): Promise<void>;
}

/** How long a database that is still starting is waited for. */
const databaseWaitMs = 60_000;

/**
 * Opens the database (the embedded one where none is configured), migrates it and serves.
 * @throws EmbeddedPostgresError, UnsupportedServer, RolesMissing, MasterKeyMissing with what to do about it.
 */
export async function startHub(
  settings: Settings,
  logger = new Logger(settings.logLevel),
): Promise<RunningHub> {
  assertMasterKeyGiven(settings);
  const undo: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const step of undo.splice(0).reverse()) {
      await step().catch((error) => logger.error({ err: error }, 'a step of closing failed'));
    }
  };
  try {
    let embedded: EmbeddedPostgres | undefined;
    if (settings.databaseUrl === undefined) {
      embedded = await startEmbeddedPostgres({
        dataDir: join(settings.dataDir, 'postgres'),
        log: (message) => logger.info(message, 'postgres'),
      });
      undo.push(embedded.stop);
    }
    const databaseUrl = embedded?.url ?? settings.databaseUrl!;
    await migrateWhenReachable(databaseUrl, logger);

    const pool = new EnginePool(databaseUrl, settings.databaseConnections, randomUUID());
    undo.push(() => pool.end());
    // Not fatal: the default partition takes what has none, and the next round of housekeeping tries again.
    await preparePartitions(pool, settings).catch((error: unknown) =>
      logger.warn({ err: error }, 'the coming days have no partitions yet'),
    );
    await prepareAuditPartitions(pool).catch((error: unknown) =>
      logger.warn({ err: error }, 'the audit trail has no partition for this quarter yet'),
    );
    const signals = new Signals(databaseUrl);
    undo.push(() => signals.stop());
    await signals.start();
    const { dataKeys, masterKeyFile } = await openDataKeys(settings, pool, signals, logger);
    undo.push(() => dataKeys.stop());
    const { keys, created } = await loadOperatorKeys(pool, settings.operatorKey);
    // Told only where the start succeeds; a key that nobody has seen must not be the one that counts.
    let isTold = false;
    if (created) undo.push(async () => void (isTold || (await forgetOperatorKeys(pool))));

    for (const message of looseSettings(settings)) logger.warn(message);
    logOpenNetworks(settings, logger);
    const foundation = { settings, databaseUrl, logger, pool, signals, keys, dataKeys };
    const app = await NestFactory.create<NestFastifyApplication>(
      AppModule.on(foundation),
      httpAdapter(settings.trustedProxies),
      { logger, abortOnError: false, bodyParser: false },
    );
    undo.push(() => app.close());
    prepareServer(app);
    await tellBrowsers(app);
    await limitRates(app);
    recordRefusals(app);
    serveDocs(app);
    await app.listen(settings.port, settings.listenHost);
    const address = app.getHttpServer().address();
    settings.boundPort = typeof address === 'object' && address ? address.port : settings.port;
    isTold = true;
    return {
      url: settings.baseUrl,
      app,
      dataDir: embedded?.dataDir,
      masterKeyFile,
      createdKey: created,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Before anything is served: what an earlier version left in plain text is sealed first. */
async function openDataKeys(
  settings: Settings,
  pool: EnginePool,
  signals: Signals,
  logger: Logger,
): Promise<{ dataKeys: DataKeys; masterKeyFile?: string }> {
  const { master, file, isNew } = await loadMasterKeys(settings, pool);
  if (isNew) logger.info({ file }, 'a master key was made: back it up, apart from the database');
  if (file && (await isOpenToOthers(file))) {
    logger.warn({ file }, 'others than its owner may read the master key');
  }
  const dataKeys = new DataKeys(pool, master, signals, logger);
  try {
    await dataKeys.start();
    await sealWhatIsPlain(pool, dataKeys, logger);
  } catch (error) {
    await dataKeys.stop();
    throw error;
  }
  return { dataKeys, masterKeyFile: file };
}

async function migrateWhenReachable(url: string, logger: Logger): Promise<void> {
  const deadline = performance.now() + databaseWaitMs;
  for (;;) {
    try {
      return await migrate(url);
    } catch (error) {
      if (!isTransient(error) || performance.now() > deadline) throw error;
      logger.warn({ err: error }, 'the database does not answer yet, waiting for it');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
