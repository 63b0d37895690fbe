import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PatientsModule } from '../patients/patients.module.js';
import { PracticesModule } from '../practices/practices.module.js';
import { AdjustmentsController } from './adjustments.controller.js';
import { ChargesController } from './charges.controller.js';
import { EntriesController } from './entries.controller.js';
import { EntriesService } from './entries.service.js';
import { LedgerEntry } from './ledger-entry.entity.js';
import { LedgerService } from './ledger.service.js';
import { PaymentsController } from './payments.controller.js';

/** The ledger: what is charged, paid, adjusted, and undone. */
@Module({
  imports: [TypeOrmModule.forFeature([LedgerEntry]), PracticesModule, PatientsModule],
  controllers: [ChargesController, PaymentsController, AdjustmentsController, EntriesController],
  providers: [LedgerService, EntriesService],
})
export class PaymentsModule {}
