import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { OpenAPIObject } from '@nestjs/swagger';
import { AppModule } from './app.module.js';
import { EnginePool } from './database/engine-pool.js';
import { Signals } from './database/signals.js';
import { catalogDocument } from './events/catalog/catalog-document.js';
import { OperatorKeys } from './platform/access/operator-key.js';
import { openApiDocument } from './platform/http/open-api.js';
import { httpAdapter } from './platform/http/server.js';
import { Logger } from './platform/logger.js';
import { envExample, readSettings } from './platform/settings.js';
import { DataKeys } from './sealing/data-keys.js';
import { MasterKeys } from './sealing/master-keys.js';

/** Files that are made from the code, by name: `npm run generate` writes them, `npm run check` compares them. */
export async function generatedFiles(): Promise<Record<string, string>> {
  return {
    '.env.example': envExample(),
    'openapi.json': await openApi(),
    'docs/events.md': catalogDocument(),
  };
}

/** The application is built without being started: preview mode makes no provider, so no database is needed. */
async function openApi(): Promise<string> {
  const databaseUrl = 'postgres://nobody@127.0.0.1:1/none';
  const settings = readSettings({ DATABASE_URL: databaseUrl });
  const logger = new Logger('silent');
  const pool = new EnginePool(databaseUrl, settings.databaseConnections);
  const signals = new Signals(databaseUrl);
  const dataKeys = new DataKeys(pool, MasterKeys.of([]), signals, logger);
  const keys = new OperatorKeys([]);
  const foundation = { settings, databaseUrl, logger, pool, signals, keys, dataKeys };
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.on(foundation),
    httpAdapter(),
    { logger, preview: true, abortOnError: false },
  );
  const document = openApiDocument(app);
  assertSummaries(document);
  return JSON.stringify(document);
}

/** A list of routes tells nothing of one without a summary. @throws Error that names all of those */
function assertSummaries({ paths }: OpenAPIObject): void {
  const all = Object.values(paths).flatMap(({ get, post, put, patch, delete: remove }) =>
    [get, post, put, patch, remove].filter((operation) => operation !== undefined),
  );
  const bare = all.filter(({ summary }) => !summary?.trim());
  if (bare.length === 0) return;
  const names = bare.map(({ operationId }) => operationId).join(', ');
  throw new Error(`Give these routes a summary (@ApiOperation): ${names}`);
}
