import type { EventData } from '../events/catalog/catalog.js';
import type { AnyNewEvent } from '../events/outbox/outbox.js';
import type { Appointment } from './appointment.entity.js';

type Standing = EventData<'appointment.scheduled'>;
export type AppointmentEventType = Extract<AnyNewEvent['type'], `appointment.${string}`>;
/** What a type says besides how the appointment stands. */
type Extra<T extends AppointmentEventType> = Omit<EventData<T>, keyof Standing>;

/** An event that only wants to know how its appointment stands once everything about it is settled. */
export type Saying = (appointment: Appointment, accountId: string, time?: Date) => AnyNewEvent;

/** `say('appointment.arrived', {})`. The compiler knows what else each type has to say. */
export function say<T extends AppointmentEventType>(type: T, extra: Extra<T>): Saying {
  return (appointment, accountId, time) =>
    ({
      type,
      practiceId: appointment.practiceId,
      subjectId: appointment.id,
      subjectVersion: appointment.version,
      data: { ...standingOf(appointment, accountId), ...extra },
      time,
    }) as AnyNewEvent;
}

interface Reminder {
  ruleId: string;
  leadMinutes: number | null;
  leadDays: number | null;
  /** The appointment's; a lead in days is a number of minutes that depends on the clock's changes. */
  start: Date;
  dueAt: Date;
  /** What the practice's wall clock shows at `dueAt`. */
  localTime: string;
}

/** A rule's moment has come (`appointment.reminder_due`) or was noticed too late (`…_missed`). */
export function sayReminder(
  type: 'appointment.reminder_due' | 'appointment.reminder_missed',
  { ruleId, leadMinutes, leadDays, dueAt, start, localTime }: Reminder,
  now: Date,
): Saying {
  return say(type, {
    ruleId,
    leadMinutes: leadMinutes ?? Math.round((start.getTime() - dueAt.getTime()) / 60_000),
    leadDays: leadDays ?? undefined,
    dueAt: dueAt.toISOString(),
    localTime,
    lateBySeconds: Math.max(0, Math.floor((now.getTime() - dueAt.getTime()) / 1000)),
  });
}

function standingOf(appointment: Appointment, accountId: string): Standing {
  const { id, start, end, seatedAt, type, operatory, note } = appointment;
  return {
    appointmentId: id,
    patientId: appointment.patientId,
    accountId,
    sequence: appointment.sequence,
    start: start.toISOString(),
    end: end.toISOString(),
    timeZone: appointment.timeZone,
    localStart: appointment.localStart,
    status: appointment.status,
    confirmation: appointment.confirmation,
    seatedAt: seatedAt?.toISOString(),
    type: type ?? undefined,
    providers: appointment.providers,
    operatory: operatory ?? undefined,
    externalIds: appointment.externalIds,
    note: note ?? undefined,
  };
}
