import { Injectable } from '@nestjs/common';
import { EnginePool } from '../database/engine-pool.js';
import { Wakeable } from '../platform/wakeable.js';
import { DataKeys } from '../sealing/data-keys.js';
import { MasterKeyMissing } from '../sealing/master-keys.js';
import { byPractice, runsOf, type Due } from './due-batches.js';
import { ReminderFiring, type Settled } from './reminder-firing.js';
import type { Fate } from './reminder.rules.js';
import { findDueSql, findOverdueSql, nextDueSql } from './sql/due-reminders.js';

/** Small, so that a practice's lock is held, and the log's horizon held back, for some ten milliseconds only. */
const batchSize = 250;
/** Found at a time. */
const mostDue = 20_000;
/** Bounds a tick, and with it how old its idea of the time can get. */
const longestMs = 2000;
/** While the process prepares one batch, PostgreSQL writes another. */
const mostLanes = 2;

export type Tally = Record<Fate, number>;

/** Fires the reminders that are due. Any number of hubs may do so at once. */
@Injectable()
export class ReminderTick {
  /** Of the latest tick: something due waits for a master key. */
  private hasLocked = false;

  constructor(
    private readonly pool: EnginePool,
    private readonly firing: ReminderFiring,
    private readonly keys: DataKeys,
  ) {}

  /**
   * Settles what is due at `now`, by default one reading of the database's clock for the whole tick, batch by batch.
   * A practice that is being written to comes last: what is late there by more than a second waits its turn among the
   * writers. Ends early once `rest` is stopped, and after a few seconds, with what is left for the next tick.
   */
  async run(now?: Date, rest = new Wakeable()): Promise<Tally> {
    const moment = now ?? (await this.databaseTime());
    this.hasLocked = false;
    const tally: Tally = { fired: 0, missed: 0, superseded: 0, skipped: 0 };
    const count = ({ fates }: Settled) => fates.forEach((fate) => (tally[fate] += 1));
    const busy: Due[] = [];
    await this.eachRun(moment, timeLimit(rest), async (run, goesOn) => {
      for (const [i, batch] of run.entries()) {
        if (!goesOn()) return;
        const settled = await this.firing.fire(batch, moment);
        count(settled);
        busy.push(...settled.busy);
        // A run of several batches is of one practice: busy for the first is busy for all.
        if (settled.busy.length === batch.length) return void busy.push(...run.slice(i + 1).flat());
      }
    });
    const goesOn = timeLimit(rest);
    await this.inLanes(byPractice(await this.overdue(busy, moment)), async (ofOne) => {
      if (goesOn()) count(await this.firing.fireInTurn(ofOne.slice(0, batchSize), moment));
    });
    return tally;
  }

  /** Goes on behind what it has found, so that a practice that stays busy with much hides nothing of the others. */
  private async eachRun(
    moment: Date,
    goesOn: () => boolean,
    work: (run: Due[][], goesOn: () => boolean) => Promise<void>,
  ): Promise<void> {
    let after: [Date | string, string] = ['-infinity', '0'];
    while (goesOn()) {
      const { rows } = await this.pool.query<Due & { dueAt: Date }>({
        name: 'reminders-due',
        text: findDueSql,
        values: [moment, mostDue, ...after],
      });
      const sealable = await this.sealable(rows);
      await this.inLanes(turned(runsOf(sealable, batchSize)), (run) => work(run, goesOn));
      if (rows.length < mostDue) return;
      const { dueAt, id } = rows.at(-1)!;
      after = [dueAt, id];
    }
  }

  /**
   * Those whose practice's key is at hand. All at once: a burst over a thousand practices that have no key yet would
   * else make one after the other. What waits for a master key holds up no other practice.
   */
  private async sealable(rows: Due[]): Promise<Due[]> {
    try {
      await this.keys.prepare(rows.map(({ practiceId }) => practiceId));
      return rows;
    } catch (error) {
      if (!(error instanceof MasterKeyMissing)) throw error;
      this.hasLocked = true;
      return rows.filter(({ practiceId }) => this.keys.sealing(practiceId));
    }
  }

  /**
   * Milliseconds until the next reminder is due, at most zero where one is; undefined where none waits, or only the
   * regular tick should look again.
   */
  async nextInMs(): Promise<number | undefined> {
    if (this.hasLocked) return undefined;
    const { rows } = await this.pool.query<{ in_ms: number }>({
      name: 'reminders-next',
      text: nextDueSql,
    });
    return rows[0]?.in_ms;
  }

  /** What is late by less than a second may still find a free moment. */
  private async overdue(busy: Due[], moment: Date): Promise<Due[]> {
    if (busy.length === 0) return [];
    const { rows } = await this.pool.query<Due>({
      name: 'reminders-overdue',
      text: findOverdueSql,
      values: [moment, busy.map(({ id }) => id)],
    });
    return rows;
  }

  private async databaseTime(): Promise<Date> {
    const { rows } = await this.pool.query<{ now: Date }>(`select clock_timestamp() as now`);
    return rows[0]!.now;
  }

  /**
   * Works on a few at a time, and leaves most of the engine's connections to others. With a failure no other is begun,
   * and those under way are waited for.
   */
  private async inLanes<T>(list: readonly T[], work: (each: T) => Promise<void>): Promise<void> {
    const waiting = [...list];
    const lane = async () => {
      try {
        for (let each; (each = waiting.shift());) await work(each);
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    };
    const lanes = Math.max(1, Math.min(mostLanes, Math.floor(this.pool.options.max! / 3)));
    const ended = await Promise.allSettled(Array.from({ length: lanes }, lane));
    const failed = ended.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

function timeLimit(rest: Wakeable): () => boolean {
  const until = performance.now() + longestMs;
  return () => !rest.stopped && performance.now() < until;
}

/** Begins anywhere, so that hubs that find the same do not meet at each batch. */
function turned<T>(list: readonly T[]): T[] {
  const first = Math.floor(Math.random() * list.length);
  return [...list.slice(first), ...list.slice(0, first)];
}
