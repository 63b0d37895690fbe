import { Global, Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { dataSourceOptions } from '../database/data-source.js';
import { EnginePool } from '../database/engine-pool.js';
import { EngineTransactions } from '../database/engine-transactions.js';
import { Leases } from '../database/leases.js';
import { ScopedReads } from '../database/scoped-reads.js';
import { Signals } from '../database/signals.js';
import { Transactions } from '../database/transactions.js';
import { DataKeys } from '../sealing/data-keys.js';
import { AccessGuard } from './access/access.guard.js';
import { Callers } from './access/callers.js';
import { KeyRing } from './access/key-ring.js';
import { OperatorKeys } from './access/operator-key.js';
import { TokenRing } from './access/token-ring.js';
import { AnswerInterceptor } from './http/answer.js';
import { Commands } from './http/commands.js';
import { InputPipe } from './http/input.pipe.js';
import { ProblemFilter } from './http/problem.filter.js';
import { Logger } from './logger.js';
import { Metrics } from './metrics.js';
import { Settings } from './settings.js';

/** What a hub is made of before NestJS starts: opened, checked and migrated. */
export interface Foundation {
  settings: Settings;
  databaseUrl: string;
  logger: Logger;
  pool: EnginePool;
  signals: Signals;
  keys: OperatorKeys;
  dataKeys: DataKeys;
}

/** What every module may use without importing it. */
@Global()
@Module({})
export class PlatformModule {
  static on(foundation: Foundation): DynamicModule {
    const { settings, databaseUrl, logger, pool, signals, keys, dataKeys } = foundation;
    return {
      module: PlatformModule,
      imports: [
        TypeOrmModule.forRoot({
          ...dataSourceOptions(databaseUrl, settings.databaseConnections, pool.auditWriter),
          autoLoadEntities: true,
          retryAttempts: 1,
        }),
      ],
      providers: [
        { provide: Settings, useValue: settings },
        { provide: Logger, useValue: logger },
        { provide: EnginePool, useValue: pool },
        { provide: Signals, useValue: signals },
        { provide: OperatorKeys, useValue: keys },
        { provide: DataKeys, useValue: dataKeys },
        Metrics,
        Leases,
        ScopedReads,
        Transactions,
        EngineTransactions,
        Commands,
        KeyRing,
        TokenRing,
        Callers,
        { provide: APP_GUARD, useClass: AccessGuard },
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_PIPE, useClass: InputPipe },
        { provide: APP_INTERCEPTOR, useClass: AnswerInterceptor },
      ],
      exports: [
        Settings,
        Logger,
        Metrics,
        EnginePool,
        Signals,
        DataKeys,
        Leases,
        ScopedReads,
        Transactions,
        EngineTransactions,
        Commands,
        Callers,
      ],
    };
  }
}
