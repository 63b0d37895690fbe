import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PracticesModule } from '../practices/practices.module.js';
import { Account } from './account.entity.js';
import { AccountsController } from './accounts.controller.js';
import { AccountsService } from './accounts.service.js';
import { Patient } from './patient.entity.js';
import { PatientsController } from './patients.controller.js';
import { PatientsService } from './patients.service.js';

/** Who is treated, and who pays for them. */
@Module({
  imports: [TypeOrmModule.forFeature([Patient, Account]), PracticesModule],
  controllers: [PatientsController, AccountsController],
  providers: [PatientsService, AccountsService],
  exports: [PatientsService, AccountsService],
})
export class PatientsModule {}
