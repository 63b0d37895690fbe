import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/transactions.js';
import type { Cause } from '../events/outbox/outbox.js';
import { conflict } from '../platform/http/problem.js';
import { AppointmentWriter } from './appointment-writer.js';
import type { Cancelling, Confirming, Rescheduling } from './appointment.dto.js';
import type { Appointment } from './appointment.entity.js';
import { say, type Saying } from './appointment.events.js';
import { isLateCancel, legalActions, standingAfter, type Action } from './appointment.rules.js';
import { timesOf } from './appointments.service.js';
import { timesInZone, timesMovedTo } from './local-time.rules.js';

/** What an action changes besides where the appointment stands, and what is said of it. */
interface Effect {
  fields?: Partial<Appointment>;
  sayings: Saying[];
}

type Step = Extract<Action, 'unconfirm' | 'arrive' | 'check-in' | 'seat' | 'complete' | 'no-show'>;

const sayingOfStep: Record<Step, Saying> = {
  unconfirm: say('appointment.unconfirmed', {}),
  arrive: say('appointment.arrived', {}),
  'check-in': say('appointment.checked_in', {}),
  seat: say('appointment.seated', {}),
  complete: say('appointment.completed', {}),
  'no-show': say('appointment.no_show', {}),
};

/** What happens to an appointment. Each method throws a Problem 409 `illegal_transition` where it is not legal now. */
@Injectable()
export class AppointmentActionsService {
  constructor(private readonly writer: AppointmentWriter) {}

  /** The actions that need no more than their name. */
  step(tx: Tx, cause: Cause, appointment: Appointment, action: Step): Promise<Appointment> {
    return this.act(tx, cause, appointment, action, () => ({ sayings: [sayingOfStep[action]] }));
  }

  /** Keeps the id; confirmation starts again. To the times it has already is no move. @throws Problem 422 */
  async reschedule(
    tx: Tx,
    cause: Cause,
    appointment: Appointment,
    { start: _start, end: _end, ...why }: Rescheduling,
    timeZone: string,
  ): Promise<Appointment> {
    const [start, end] = timesOf({ start: _start, end: _end });
    const previous = { start: appointment.start, end: appointment.end };
    const sameTimes = +start === +previous.start && +end === +previous.end;
    if (sameTimes && legalActions(appointment).includes('reschedule')) return appointment;
    return this.act(tx, cause, appointment, 'reschedule', () => ({
      fields: { ...timesInZone(start, end, timeZone), sequence: appointment.sequence + 1 },
      sayings: [
        say('appointment.rescheduled', {
          previous: { start: previous.start.toISOString(), end: previous.end.toISOString() },
          ...why,
        }),
      ],
    }));
  }

  /** Confirming a request books it too. @throws Problem 409 `moved_meanwhile` for another sequence. */
  async confirm(
    tx: Tx,
    cause: Cause,
    appointment: Appointment,
    { sequence = appointment.sequence }: Confirming,
  ): Promise<Appointment> {
    const mayMove = legalActions(appointment).includes('reschedule');
    if (mayMove && sequence !== appointment.sequence) {
      throw conflict(
        'moved_meanwhile',
        `The appointment was moved: its sequence is ${appointment.sequence} now. Ask again with its new time.`,
        { sequence: appointment.sequence },
      );
    }
    return this.act(tx, cause, appointment, 'confirm', () => ({
      sayings: [
        ...(appointment.status === 'proposed' ? [say('appointment.scheduled', {})] : []),
        say('appointment.confirmed', {}),
      ],
    }));
  }

  cancel(
    tx: Tx,
    cause: Cause,
    appointment: Appointment,
    { reason, cancelledBy }: Cancelling,
  ): Promise<Appointment> {
    return this.act(tx, cause, appointment, 'cancel', (now) => ({
      fields: { cancelledBy: cancelledBy ?? null, cancelReason: reason ?? null },
      sayings: [
        say('appointment.cancelled', {
          cancelledBy,
          reason,
          lateCancel: isLateCancel(appointment.start, now),
        }),
      ],
    }));
  }

  /** Undoes the last step. What was cancelled while the practice's zone changed keeps its wall clock, too. */
  reopen(tx: Tx, cause: Cause, appointment: Appointment, timeZone: string): Promise<Appointment> {
    const { status, seatedAt } = appointment;
    return this.act(tx, cause, appointment, 'reopen', (now) => ({
      fields: {
        cancelledBy: null,
        cancelReason: null,
        ...(appointment.timeZone !== timeZone &&
          appointment.start > now && {
            ...timesMovedTo(appointment, timeZone),
            sequence: appointment.sequence + 1,
          }),
      },
      sayings: [
        say('appointment.reopened', {
          previous: { status, seatedAt: seatedAt?.toISOString() },
        }),
      ],
    }));
  }

  private act(
    tx: Tx,
    cause: Cause,
    appointment: Appointment,
    action: Action,
    effect: (now: Date) => Effect,
  ): Promise<Appointment> {
    return this.writer.update(tx, cause, appointment, (now) => {
      const standing = standingAfter(appointment, action, now);
      if (!standing) throw illegal(appointment, action);
      const { status, confirmation, seatedAt, earlierStatuses } = standing;
      const { fields, sayings } = effect(now);
      return {
        fields: {
          status,
          confirmation,
          seatedAt,
          earlierStatuses: [...earlierStatuses],
          ...fields,
        },
        sayings,
      };
    });
  }
}

function illegal(appointment: Appointment, action: Action) {
  const legal = legalActions(appointment);
  const now = legal.length > 0 ? `Legal now: ${legal.join(', ')}.` : 'No action is legal now.';
  return conflict(
    'illegal_transition',
    `An appointment that is ${appointment.status} and ${appointment.confirmation} does not take ${action}. ${now}`,
    { legalActions: legal },
  );
}
