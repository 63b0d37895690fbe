import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { AuditController } from './audit.controller.js';
import { AuditService } from './audit.service.js';
import { Journal } from './journal.js';
import { ReadsInterceptor } from './reads.interceptor.js';
import { AuditRetention } from './retention.js';
import { Sealer } from './sealer.js';
import { SettingChanges } from './setting-changes.js';

/** Who did what, to whom, when, from where and why; so that a change of it shows. */
@Global()
@Module({
  controllers: [AuditController],
  providers: [
    Journal,
    Sealer,
    SettingChanges,
    AuditRetention,
    AuditService,
    { provide: APP_INTERCEPTOR, useClass: ReadsInterceptor },
  ],
  exports: [Journal],
})
export class AuditModule {}
