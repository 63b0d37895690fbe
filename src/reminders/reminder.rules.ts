import { isRemindable, type AppointmentStatus } from '../appointments/appointment.rules.js';
import { daysEarlier, instantOf } from '../appointments/local-time.rules.js';
import type { ReminderRule } from '../practices/reminder-rule.js';

/** What planning needs to know of an appointment. */
export interface Booking {
  start: Date;
  /** What the practice's wall clock shows at the start. */
  localStart: string;
}

export interface PlannedReminder {
  rule: ReminderRule;
  dueAt: Date;
  /** `pending` fires when it is due, at once where that is past; `skipped` never. */
  status: 'pending' | 'skipped';
}

/**
 * When a rule wants to remind of an appointment. Minutes are elapsed time; days are wall-clock time in the
 * practice's zone, so that 09:00 the day before stays 09:00 across a clock change. Pure.
 */
export function dueMoment(rule: ReminderRule, booking: Booking, timeZone: string): Date {
  if (rule.leadMinutes !== undefined) {
    return new Date(booking.start.getTime() - rule.leadMinutes * 60_000);
  }
  return instantOf(daysEarlier(booking.localStart, rule.leadDays!, rule.at), timeZone);
}

/**
 * The reminders of an appointment that is made, moved, or whose practice changes its rules, at `now`. What has
 * begun needs none. A rule whose moment has passed already is late, and its `onLate` decides: `fire_now`, `skip`,
 * or `nearest`, which fires only where no other rule is still ahead, and of those passed only the latest that
 * would speak at all. Pure.
 */
export function planReminders(
  rules: readonly ReminderRule[],
  booking: Booking,
  timeZone: string,
  now: Date,
): PlannedReminder[] {
  if (booking.start <= now) return [];
  const due = rules.map((rule) => ({ rule, dueAt: dueMoment(rule, booking, timeZone) }));
  const passed = due.filter(({ dueAt }) => dueAt <= now);
  const nearest =
    passed.length < due.length
      ? undefined
      : passed
          .filter(({ rule }) => rule.onLate !== 'skip')
          .reduce<(typeof due)[number] | undefined>(
            (latest, each) => (latest && latest.dueAt >= each.dueAt ? latest : each),
            undefined,
          );
  return due.map((each) => {
    const { rule, dueAt } = each;
    const fires =
      dueAt > now || rule.onLate === 'fire_now' || (rule.onLate === 'nearest' && each === nearest);
    return { rule, dueAt, status: fires ? 'pending' : 'skipped' };
  });
}

/** What the firing transaction finds when it reads everything again. */
export interface Finding {
  sequence: number;
  fireUntil: Date;
  appointment: { sequence: number; status: AppointmentStatus };
  /** Null where somebody's SQL removed the patient. */
  patient: { status: string; deleted: boolean } | null;
}

export type Fate = 'fired' | 'missed' | 'superseded' | 'skipped';

/** What becomes of a reminder that is due at `now`. Pure. */
export function fateOf({ sequence, fireUntil, appointment, patient }: Finding, now: Date): Fate {
  if (!isRemindable(appointment.status) || appointment.sequence !== sequence) return 'superseded';
  if (patient?.status !== 'active' || patient.deleted) return 'skipped';
  return now < fireUntil ? 'fired' : 'missed';
}
