import { Module } from '@nestjs/common';
import { DisclosuresController } from './disclosures.controller.js';
import { Disclosures } from './disclosures.service.js';

/** What of patients was disclosed to whom. */
@Module({
  controllers: [DisclosuresController],
  providers: [Disclosures],
  exports: [Disclosures],
})
export class DisclosuresModule {}
