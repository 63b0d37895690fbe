import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { DisclosuresController } from './disclosures.controller.js';
import { Disclosures } from './disclosures.service.js';
import { PartnerReadsInterceptor } from './partner-reads.interceptor.js';

/** What of patients was disclosed to whom. */
@Module({
  controllers: [DisclosuresController],
  providers: [Disclosures, { provide: APP_INTERCEPTOR, useClass: PartnerReadsInterceptor }],
  exports: [Disclosures],
})
export class DisclosuresModule {}
