import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/transactions.js';
import { Outbox, type Cause } from '../events/outbox/outbox.js';
import { conflict } from '../platform/http/problem.js';
import { PracticesService } from '../practices/practices.service.js';
import { ReminderPlanner } from '../reminders/reminder-planner.js';
import { Appointment } from './appointment.entity.js';
import type { Saying } from './appointment.events.js';
import { readPatientNow } from './patient-of.js';

/** Writes an appointment, says so and plans its reminders, so that no change does one without the others. */
@Injectable()
export class AppointmentWriter {
  constructor(
    private readonly practices: PracticesService,
    private readonly planner: ReminderPlanner,
    private readonly outbox: Outbox,
  ) {}

  async insert(
    tx: Tx,
    cause: Cause,
    appointment: Appointment,
    accountId: string,
    sayings: Saying[],
    occurredAt?: Date,
  ): Promise<Appointment> {
    await tx.insert(Appointment, appointment);
    this.outbox.say(
      tx,
      cause,
      sayings.map((saying) => saying(appointment, accountId, occurredAt)),
    );
    const practice = await this.practices.get(appointment.practiceId, tx);
    await this.planner.plan(tx, practice, [appointment], appointment.createdAt);
    return appointment;
  }

  /** Raises the version. @throws Problem 409 when it would book a deleted patient anew. `change` sees the database's time, and what it returns is what is written and said. */
  async update(
    tx: Tx,
    cause: Cause,
    before: Appointment,
    change: (now: Date) => { fields: Partial<Appointment>; sayings: Saying[] },
  ): Promise<Appointment> {
    const { practiceId, patientId } = before;
    const { now, accountId, deleted } = await readPatientNow(tx, practiceId, patientId);
    const { fields, sayings } = change(now);
    const after: Appointment = {
      ...before,
      ...fields,
      version: before.version + 1,
      updatedAt: now,
    };
    const isAhead = after.status === 'proposed' || after.status === 'booked';
    if (deleted && isAhead && after.status + after.sequence !== before.status + before.sequence) {
      throw conflict(
        'patient_deleted',
        'The patient was deleted; book for another patient record.',
      );
    }
    await tx.update(Appointment, { id: before.id }, after);
    this.outbox.say(
      tx,
      cause,
      sayings.map((saying) => saying(after, accountId)),
    );
    if (after.status !== before.status || after.sequence !== before.sequence) {
      await this.plan(tx, before, after, now);
    }
    return after;
  }

  private async plan(tx: Tx, before: Appointment, after: Appointment, now: Date): Promise<void> {
    const practice = await this.practices.get(after.practiceId, tx);
    const sameClock = after.sequence > before.sequence && after.localStart === before.localStart;
    // What the patient was reminded of is still so: only the end has moved, or the clock under it.
    if (sameClock) await this.planner.planAgain(tx, practice, [after], now);
    else await this.planner.plan(tx, practice, [after], now);
  }
}
