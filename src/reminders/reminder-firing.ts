import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Appointment } from '../appointments/appointment.entity.js';
import { sayReminder } from '../appointments/appointment.events.js';
import { localTimeOf } from '../appointments/local-time.rules.js';
import { EnginePool } from '../database/engine-pool.js';
import { EngineTransactions } from '../database/engine-transactions.js';
import { lockPractices, type EventTx } from '../database/transactions.js';
import { EventTooLarge, Outbox } from '../events/outbox/outbox.js';
import { SchemaViolation } from '../events/outbox/validate.js';
import { Logger } from '../platform/logger.js';
import type { Due } from './due-batches.js';
import { fateOf, type Fate } from './reminder.rules.js';
import { lockFreePracticesSql, readDueSql, settleSql } from './sql/due-reminders.js';

/** SQLSTATE of a lock that was not to be had in time. */
const lockNotAvailable = '55P03';

type Found = Appointment & {
  reminderId: string;
  reminderSequence: number;
  ruleId: string;
  leadMinutes: number | null;
  leadDays: number | null;
  dueAt: Date;
  fireUntil: Date;
  accountId: string | null;
  patientStatus: string | null;
  patientDeleted: boolean;
};

/** What became of a batch, and which of it is locked by others. */
export interface Settled {
  fates: Fate[];
  busy: Due[];
}

/** Decides what becomes of due reminders, and says it, a batch in a transaction. */
@Injectable()
export class ReminderFiring {
  constructor(
    private readonly pool: EnginePool,
    private readonly transactions: EngineTransactions,
    private readonly outbox: Outbox,
    private readonly logger: Logger,
  ) {}

  /** Leaves out the practices that are being written to. `now` is the database's time. */
  fire(due: Due[], now: Date): Promise<Settled> {
    return this.sparing(due, now, async (tx) => {
      const practiceIds = [...new Set(due.map(({ practiceId }) => practiceId))];
      const locked: { id: string }[] = await tx.query(lockFreePracticesSql, [practiceIds]);
      const free = new Set(locked.map(({ id }) => id));
      const ours = due.filter(({ practiceId }) => free.has(practiceId));
      return {
        fates: ours.length > 0 ? await this.settle(tx, ours, now) : [],
        busy: due.filter(({ practiceId }) => !free.has(practiceId)),
      };
    });
  }

  /**
   * Queues for the lock of a practice that is written to without a pause, alone, so that nobody else waits with it:
   * trying for a free moment would never find one.
   */
  async fireInTurn(due: Due[], now: Date): Promise<Settled> {
    try {
      return await this.sparing(due, now, async (tx) => {
        await tx.query(`set local lock_timeout = '2s'`);
        await lockPractices(tx, [due[0]!.practiceId]);
        return { fates: await this.settle(tx, due, now), busy: [] };
      });
    } catch (error) {
      if ((error as { code?: string }).code === lockNotAvailable) return { fates: [], busy: due };
      throw error;
    }
  }

  /**
   * A row that cannot be said (somebody's SQL made the appointment unreadable) must not hold up the others: the batch
   * is halved until it is alone, and then it is skipped, visibly.
   */
  private async sparing(
    due: Due[],
    now: Date,
    work: (tx: EventTx) => Promise<Settled>,
  ): Promise<Settled> {
    try {
      return await this.transactions.run(work);
    } catch (error) {
      if (!(error instanceof SchemaViolation || error instanceof EventTooLarge)) throw error;
      if (due.length > 1) {
        const half = Math.ceil(due.length / 2);
        const first = await this.fire(due.slice(0, half), now);
        const second = await this.fire(due.slice(half), now);
        return {
          fates: [...first.fates, ...second.fates],
          busy: [...first.busy, ...second.busy],
        };
      }
      const [{ id, appointmentId }] = due as [Due];
      this.logger.error(
        { reminderId: id, appointmentId, err: error },
        'a reminder cannot be said, skipped',
      );
      await this.pool.query(settleSql, [now, [id], ['skipped'], [null]]);
      return { fates: ['skipped'], busy: [] };
    }
  }

  /** In a transaction that holds the practices' locks. */
  private async settle(tx: EventTx, due: Due[], now: Date): Promise<Fate[]> {
    const found: Found[] = await tx.query(readDueSql, [due.map(({ id }) => id), now]);
    if (found.length === 0) return [];
    const fates = found.map((row) => fateOf(findingOf(row), now));
    const speaking = found.filter((_, i) => fates[i] === 'fired' || fates[i] === 'missed');
    const localTimes = new LocalTimes();
    const eventIds = await this.outbox.append(
      tx,
      { actor: 'system/reminders', correlationId: randomUUID() },
      speaking.map((row) => eventOf(row, localTimes.of(row), now)),
    );
    const eventOfReminder = new Map(
      speaking.map(({ reminderId }, i) => [reminderId, eventIds[i]!]),
    );
    const settled: unknown[] = await tx.query(settleSql, [
      now,
      found.map(({ reminderId }) => reminderId),
      fates,
      found.map(({ reminderId }) => eventOfReminder.get(reminderId) ?? null),
    ]);
    // Somebody changed reminders without the practice's lock: rather nothing is said than something twice.
    if (settled.length !== found.length) throw new Error('reminders changed while they fired');
    return fates;
  }
}

/** Those of a burst share a moment and a few zones, and asking luxon is the dearest part of a reminder (15 µs). */
class LocalTimes {
  private readonly known = new Map<string, string>();

  of({ dueAt, timeZone }: { dueAt: Date; timeZone: string }): string {
    const key = `${dueAt.getTime()} ${timeZone}`;
    let local = this.known.get(key);
    if (local === undefined) this.known.set(key, (local = localTimeOf(dueAt, timeZone)));
    return local;
  }
}

function findingOf(row: Found) {
  return {
    sequence: row.reminderSequence,
    fireUntil: row.fireUntil,
    appointment: row,
    patient:
      row.patientStatus === null
        ? null
        : { status: row.patientStatus, deleted: row.patientDeleted },
  };
}

function eventOf(row: Found, localTime: string, now: Date) {
  const type = now < row.fireUntil ? 'appointment.reminder_due' : 'appointment.reminder_missed';
  return sayReminder(type, { ...row, localTime }, now)(row, row.accountId!, now);
}
