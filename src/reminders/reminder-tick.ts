import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Appointment } from '../appointments/appointment.entity.js';
import { sayReminder } from '../appointments/appointment.events.js';
import { localTimeOf } from '../appointments/local-time.rules.js';
import { EnginePool } from '../database/engine-pool.js';
import { lockPractices, Transactions, type Tx } from '../database/transactions.js';
import { EventTooLarge, Outbox } from '../events/outbox/outbox.js';
import { SchemaViolation } from '../events/outbox/validate.js';
import { Logger } from '../platform/logger.js';
import { Wakeable } from '../platform/wakeable.js';
import { fateOf, type Fate } from './reminder.rules.js';
import {
  claimDueSql,
  findDueSql,
  findOverdueSql,
  lockFreePracticesSql,
  nextDueSql,
  settleSql,
} from './sql/due-reminders.js';

/** Small, so that a practice's lock is held for milliseconds only. */
const batchSize = 250;
/** Bounds a tick, and with it how old its idea of the time can get. */
const mostBatches = 20;
const shortestPauseMs = 5;
/** SQLSTATE of a lock that was not to be had in time. */
const lockNotAvailable = '55P03';

export type Tally = Record<Fate, number>;

type Claimed = Appointment & {
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

interface Due {
  id: string;
  practiceId: string;
  appointmentId: string;
}

/** What became of a batch, and which practices were locked by others. */
interface Settled {
  fates: Fate[];
  busy: string[];
}

/** Fires the reminders that are due. Any number of hubs may do so at once. */
@Injectable()
export class ReminderTick {
  constructor(
    private readonly pool: EnginePool,
    private readonly transactions: Transactions,
    private readonly outbox: Outbox,
    private readonly logger: Logger,
  ) {}

  /**
   * Settles what is due at `now`, by default one reading of the database's clock for the whole tick, batch by batch.
   * After a batch it rests half as long as the batch took: a burst gets two thirds of what the database can do, and
   * facts that happen meanwhile never less than a third. A practice that is being written to comes last: what is late
   * there by more than a second waits its turn among the writers. Ends early once `rest` is stopped.
   */
  async run(now?: Date, rest = new Wakeable()): Promise<Tally> {
    const moment = now ?? (await this.databaseTime());
    const tally: Tally = { fired: 0, missed: 0, superseded: 0, skipped: 0 };
    const busy: string[] = [];
    for (let batches = 0; batches < mostBatches && !rest.stopped; batches++) {
      const began = performance.now();
      const { rows } = await this.pool.query<Due>({
        name: 'reminders-due',
        text: findDueSql,
        values: [moment, busy, batchSize],
      });
      if (rows.length === 0) break;
      const settled = await this.settleBatch(rows, moment);
      for (const fate of settled.fates) tally[fate] += 1;
      busy.push(...settled.busy);
      if (rows.length < batchSize) break;
      await rest.pause(Math.max(shortestPauseMs, (performance.now() - began) / 2));
    }
    for (const practiceId of new Set(busy)) {
      if (rest.stopped) break;
      for (const fate of await this.settleBusy(practiceId, moment)) tally[fate] += 1;
    }
    return tally;
  }

  /**
   * Queues for the lock of a practice that is written to without a pause, alone, so that nobody else waits with it:
   * trying for a free moment would never find one. What is late by less may still find one.
   */
  private async settleBusy(practiceId: string, moment: Date): Promise<Fate[]> {
    const { rows } = await this.pool.query<Due>({
      name: 'reminders-overdue',
      text: findOverdueSql,
      values: [moment, practiceId, batchSize],
    });
    if (rows.length === 0) return [];
    try {
      return await this.transactions.run([], async (tx) => {
        await tx.query(`set local lock_timeout = '2s'`);
        await lockPractices(tx, [practiceId]);
        return (await this.settle(tx, rows, moment)).fates;
      });
    } catch (error) {
      if ((error as { code?: string }).code === lockNotAvailable) return [];
      throw error;
    }
  }

  /** Milliseconds until the next reminder is due, at most zero where one is; undefined where none waits. */
  async nextInMs(): Promise<number | undefined> {
    const { rows } = await this.pool.query<{ in_ms: number }>({
      name: 'reminders-next',
      text: nextDueSql,
    });
    return rows[0]?.in_ms;
  }

  private async databaseTime(): Promise<Date> {
    const { rows } = await this.pool.query<{ now: Date }>(`select clock_timestamp() as now`);
    return rows[0]!.now;
  }

  /**
   * A row that cannot be said (somebody's SQL made the appointment unreadable) must not hold up the others: then each
   * is tried alone, and it is skipped, visibly.
   */
  private async settleBatch(due: Due[], now: Date): Promise<Settled> {
    try {
      return await this.transactions.run([], (tx) => this.settle(tx, due, now));
    } catch (error) {
      if (!(error instanceof SchemaViolation || error instanceof EventTooLarge)) throw error;
      if (due.length > 1) {
        const each: Settled[] = [];
        for (const one of due) each.push(await this.settleBatch([one], now));
        return {
          fates: each.flatMap(({ fates }) => fates),
          busy: each.flatMap(({ busy }) => busy),
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

  private async settle(tx: Tx, due: Due[], now: Date): Promise<Settled> {
    const practiceIds = [...new Set(due.map(({ practiceId }) => practiceId))];
    const locked: { id: string }[] = await tx.query(lockFreePracticesSql, [practiceIds]);
    const free = new Set(locked.map(({ id }) => id));
    const busy = practiceIds.filter((id) => !free.has(id));
    const ours = due.filter(({ practiceId }) => free.has(practiceId));
    const claimed: Claimed[] = await tx.query(claimDueSql, [
      ours.map(({ id }) => id),
      ours.map(({ appointmentId }) => appointmentId),
      now,
    ]);
    if (claimed.length === 0) return { fates: [], busy };
    const fates = claimed.map((row) => fateOf(findingOf(row), now));
    const speaking = claimed.filter((_, i) => fates[i] === 'fired' || fates[i] === 'missed');
    const eventIds = await this.outbox.append(
      tx,
      { actor: 'system/reminders', correlationId: randomUUID() },
      speaking.map((row) => eventOf(row, now)),
    );
    const eventOfReminder = new Map(
      speaking.map(({ reminderId }, i) => [reminderId, eventIds[i]!]),
    );
    await tx.query(settleSql, [
      now,
      claimed.map(({ reminderId }) => reminderId),
      fates,
      claimed.map(({ reminderId }) => eventOfReminder.get(reminderId) ?? null),
    ]);
    return { fates, busy };
  }
}

function findingOf(row: Claimed) {
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

function eventOf(row: Claimed, now: Date) {
  const type = now < row.fireUntil ? 'appointment.reminder_due' : 'appointment.reminder_missed';
  const localTime = localTimeOf(row.dueAt, row.timeZone);
  return sayReminder(type, { ...row, localTime }, now)(row, row.accountId!, now);
}
