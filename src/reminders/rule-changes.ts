import { isDeepStrictEqual } from 'node:util';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { databaseTime, type Tx } from '../database/transactions.js';
import type { Practice } from '../practices/practice.entity.js';
import { PracticesService } from '../practices/practices.service.js';
import { ReminderPlanner, type Plannable } from './reminder-planner.js';
import { upcomingBookingsSql } from './sql/plan-reminders.js';

/** A stretch short enough that planning it does not hold up the process's other work. */
const stretch = 500;
const beforeAll = '00000000-0000-0000-0000-000000000000';

/** Plans the bookings that are still ahead anew when their practice changes its rules, in the same transaction. */
@Injectable()
export class RuleChanges implements OnModuleInit {
  constructor(
    private readonly practices: PracticesService,
    private readonly planner: ReminderPlanner,
  ) {}

  onModuleInit(): void {
    this.practices.observe(async (tx, _cause, before, after) => {
      // With another zone every booking ahead is moved and planned by these rules anyway, from its new moment.
      const sameClock = before.timeZone === after.timeZone;
      if (sameClock && !isDeepStrictEqual(before.reminderRules, after.reminderRules)) {
        await this.planAhead(tx, after);
      }
    });
  }

  private async planAhead(tx: Tx, practice: Practice): Promise<void> {
    const now = await databaseTime(tx);
    let after = beforeAll;
    for (;;) {
      const bookings: Plannable[] = await tx.query(upcomingBookingsSql, [
        practice.id,
        now,
        after,
        stretch,
      ]);
      if (bookings.length > 0) await this.planner.plan(tx, practice, bookings, now);
      if (bookings.length < stretch) return;
      after = bookings.at(-1)!.id;
    }
  }
}
