import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PracticesModule } from '../practices/practices.module.js';
import { RemindersModule } from '../reminders/reminders.module.js';
import { AppointmentActionsController } from './appointment-actions.controller.js';
import { AppointmentActionsService } from './appointment-actions.service.js';
import { AppointmentWriter } from './appointment-writer.js';
import { Appointment } from './appointment.entity.js';
import { AppointmentsController } from './appointments.controller.js';
import { AppointmentsService } from './appointments.service.js';
import { ZoneChanges } from './zone-changes.js';

@Module({
  imports: [TypeOrmModule.forFeature([Appointment]), PracticesModule, RemindersModule],
  controllers: [AppointmentsController, AppointmentActionsController],
  providers: [AppointmentsService, AppointmentActionsService, AppointmentWriter, ZoneChanges],
})
export class AppointmentsModule {}
