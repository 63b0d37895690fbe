import { Injectable } from '@nestjs/common';
import type { Appointment } from '../appointments/appointment.entity.js';
import { isRemindable } from '../appointments/appointment.rules.js';
import type { Tx } from '../database/transactions.js';
import type { Practice } from '../practices/practice.entity.js';
import { leadOf } from '../practices/reminder-rule.js';
import { planReminders } from './reminder.rules.js';
import { carrySql, planRemindersSql } from './sql/plan-reminders.js';

export type Plannable = Pick<Appointment, 'id' | 'sequence' | 'status' | 'start' | 'localStart'>;

/** Keeps the rows of reminders in step with appointments, in the transaction that changes these. */
@Injectable()
export class ReminderPlanner {
  /**
   * Makes the waiting reminders of these appointments of one practice what its rules want at `now` (the database's
   * time). What fired stays fired. The caller holds the practice's lock.
   */
  async plan(
    tx: Tx,
    { id: practiceId, timeZone, reminderRules }: Practice,
    appointments: readonly Plannable[],
    now: Date,
  ): Promise<void> {
    const wanted = appointments
      .filter(({ status }) => isRemindable(status))
      .flatMap((appointment) =>
        planReminders(reminderRules, appointment, timeZone, now).map((planned) => ({
          appointment,
          ...planned,
        })),
      );
    await tx.query(planRemindersSql, [
      appointments.map(({ id }) => id),
      practiceId,
      now,
      wanted.map(({ appointment }) => appointment.id),
      wanted.map(({ appointment }) => appointment.sequence),
      wanted.map(({ rule }) => leadOf(rule)),
      wanted.map(({ rule }) => rule.id),
      wanted.map(({ rule }) => rule.leadMinutes ?? null),
      wanted.map(({ rule }) => rule.leadDays ?? null),
      wanted.map(({ dueAt }) => dueAt),
      wanted.map(({ appointment }) => appointment.start),
      wanted.map(({ status }) => status),
    ]);
  }

  /**
   * As `plan`, for appointments whose sequence has risen by one while the patient's wall clock for them stayed:
   * what was said of the old sequence counts for the new one.
   */
  async planAgain(
    tx: Tx,
    practice: Practice,
    appointments: readonly Plannable[],
    now: Date,
  ): Promise<void> {
    await tx.query(carrySql, [appointments.map(({ id }) => id), now]);
    await this.plan(tx, practice, appointments, now);
  }
}
