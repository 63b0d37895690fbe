import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Journal } from './journal.js';
import { ReadsInterceptor } from './reads.interceptor.js';
import { Sealer } from './sealer.js';

/** Who did what, to whom, when, from where and why; so that a change of it shows. */
@Global()
@Module({
  providers: [Journal, Sealer, { provide: APP_INTERCEPTOR, useClass: ReadsInterceptor }],
  exports: [Journal],
})
export class AuditModule {}
