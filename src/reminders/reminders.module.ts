import { Module } from '@nestjs/common';
import { PracticesModule } from '../practices/practices.module.js';
import { ReminderFiring } from './reminder-firing.js';
import { ReminderClock } from './reminder-clock.js';
import { ReminderPlanner } from './reminder-planner.js';
import { ReminderTick } from './reminder-tick.js';
import { RuleChanges } from './rule-changes.js';

@Module({
  imports: [PracticesModule],
  providers: [ReminderPlanner, ReminderTick, ReminderFiring, ReminderClock, RuleChanges],
  exports: [ReminderPlanner],
})
export class RemindersModule {}
