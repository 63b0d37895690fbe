import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Tx } from '../database/transactions.js';
import { Outbox, type AnyNewEvent, type Cause } from '../events/outbox/outbox.js';
import type { Practice } from '../practices/practice.entity.js';
import { PracticesService } from '../practices/practices.service.js';
import { ReminderPlanner } from '../reminders/reminder-planner.js';
import type { Appointment } from './appointment.entity.js';
import { say } from './appointment.events.js';
import { databaseTime } from '../database/transactions.js';
import { timesMovedTo } from './local-time.rules.js';
import { appointmentsAheadSql, moveAppointmentsSql } from './sql/zone-changes.js';

/** Events and rows of a stretch are written in one statement each; a stretch stays well below a second. */
const stretch = 500;
const beforeAll = '00000000-0000-0000-0000-000000000000';

type Ahead = Appointment & { accountId: string };

/**
 * When a practice's zone changes (it was wrong, or the practice moved), what is booked keeps its wall clock, because
 * that is what patients were told; the moments move. In the transaction that changes the practice.
 */
@Injectable()
export class ZoneChanges implements OnModuleInit {
  constructor(
    private readonly practices: PracticesService,
    private readonly planner: ReminderPlanner,
    private readonly outbox: Outbox,
  ) {}

  onModuleInit(): void {
    this.practices.observe(async (tx, cause, before, after) => {
      if (before.timeZone !== after.timeZone) await this.moveAll(tx, cause, after);
    });
  }

  private async moveAll(tx: Tx, cause: Cause, practice: Practice): Promise<void> {
    const now = await databaseTime(tx);
    let after = beforeAll;
    for (;;) {
      const ahead: Ahead[] = await tx.query(appointmentsAheadSql, [
        practice.id,
        now,
        practice.timeZone,
        after,
        stretch,
      ]);
      if (ahead.length > 0) await this.move(tx, cause, practice, ahead, now);
      if (ahead.length < stretch) return;
      after = ahead.at(-1)!.id;
    }
  }

  private async move(
    tx: Tx,
    cause: Cause,
    practice: Practice,
    ahead: Ahead[],
    now: Date,
  ): Promise<void> {
    const moves = ahead.map((before) => movedTo(before, practice.timeZone));
    const afters = moves.map(({ after }) => after);
    await tx.query(moveAppointmentsSql, [
      practice.timeZone,
      now,
      afters.map(({ id }) => id),
      afters.map(({ start }) => start),
      afters.map(({ end }) => end),
      afters.map(({ localStart }) => localStart),
      afters.map(({ sequence }) => sequence),
    ]);
    this.outbox.say(
      tx,
      cause,
      moves.map(({ event }) => event),
    );
    const moved = afters.filter((after, i) => after.sequence > ahead[i]!.sequence);
    const stayed = afters.filter((after, i) => after.sequence === ahead[i]!.sequence);
    if (moved.length > 0) await this.planner.planAgain(tx, practice, moved, now);
    if (stayed.length > 0) await this.planner.plan(tx, practice, stayed, now);
  }
}

/** Confirmation stays: the patient confirmed the wall-clock time, and that is as it was. */
function movedTo(before: Ahead, timeZone: string): { after: Ahead; event: AnyNewEvent } {
  const times = timesMovedTo(before, timeZone);
  const moves = times.start.getTime() !== before.start.getTime();
  const after = {
    ...before,
    ...times,
    sequence: before.sequence + (moves ? 1 : 0),
    version: before.version + 1,
  };
  const saying = moves
    ? say('appointment.rescheduled', {
        previous: { start: before.start.toISOString(), end: before.end.toISOString() },
        reason: 'time zone of the practice changed',
        initiatedBy: 'practice',
      })
    : say('appointment.updated', {
        changedFields: ['timeZone'],
        previous: { timeZone: before.timeZone },
      });
  return { after, event: saying(after, before.accountId) };
}
