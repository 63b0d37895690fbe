/** FHIR R4 names. Readers must accept names they do not know. */
export const statuses = [
  'proposed',
  'booked',
  'arrived',
  'checked-in',
  'fulfilled',
  'cancelled',
  'noshow',
  'entered-in-error',
] as const;
export type AppointmentStatus = (typeof statuses)[number];

export const confirmations = ['unconfirmed', 'confirmed'] as const;
export type Confirmation = (typeof confirmations)[number];

export const actions = [
  'reschedule',
  'confirm',
  'unconfirm',
  'arrive',
  'check-in',
  'seat',
  'complete',
  'cancel',
  'no-show',
  'reopen',
] as const;
export type Action = (typeof actions)[number];

/** Where an appointment stands: all that decides what may happen to it next. */
export interface Standing {
  status: AppointmentStatus;
  confirmation: Confirmation;
  seatedAt: Date | null;
  /** What reopening goes back to, latest last. */
  earlierStatuses: readonly AppointmentStatus[];
}

const allowed: Record<Action, (standing: Standing) => boolean> = {
  reschedule: ({ status }) => status === 'proposed' || status === 'booked',
  confirm: ({ status, confirmation }) =>
    status === 'proposed' || (status === 'booked' && confirmation === 'unconfirmed'),
  unconfirm: ({ status, confirmation }) => status === 'booked' && confirmation === 'confirmed',
  arrive: ({ status }) => status === 'booked',
  'check-in': ({ status }) => status === 'booked' || status === 'arrived',
  seat: ({ status, seatedAt }) => status === 'checked-in' && seatedAt === null,
  // Many practices record neither arrival nor check-in.
  complete: ({ status }) => ['booked', 'arrived', 'checked-in'].includes(status),
  // After arriving too: a patient may leave without having been seen.
  cancel: ({ status }) => ['proposed', 'booked', 'arrived', 'checked-in'].includes(status),
  'no-show': ({ status }) => status === 'booked',
  reopen: ({ status }) =>
    ['arrived', 'checked-in', 'fulfilled', 'cancelled', 'noshow'].includes(status),
};

const statusAfter: Partial<Record<Action, AppointmentStatus>> = {
  arrive: 'arrived',
  'check-in': 'checked-in',
  complete: 'fulfilled',
  cancel: 'cancelled',
  'no-show': 'noshow',
};

/** What may be done to the appointment now. Pure. */
export function legalActions(standing: Standing): Action[] {
  return actions.filter((action) => allowed[action](standing));
}

/** The standing after a legal action, or undefined where the action is illegal. Pure. */
export function standingAfter(standing: Standing, action: Action, now: Date): Standing | undefined {
  if (!allowed[action](standing)) return undefined;
  switch (action) {
    case 'reschedule':
      // Who agreed to the old time has not agreed to the new one.
      return { ...standing, confirmation: 'unconfirmed' };
    case 'confirm':
      // Confirming a request also books it.
      return { ...standing, status: 'booked', confirmation: 'confirmed' };
    case 'unconfirm':
      return { ...standing, confirmation: 'unconfirmed' };
    case 'seat':
      // FHIR has no status for it: whoever is seated has been checked in.
      return { ...standing, seatedAt: now };
    case 'reopen':
      return reopened(standing);
    default:
      return {
        ...standing,
        status: statusAfter[action]!,
        earlierStatuses: [...standing.earlierStatuses, standing.status],
      };
  }
}

/** Undoes the last step only, as a mis-click is. What was created with a final status goes back to booked. */
function reopened(standing: Standing): Standing {
  if (standing.status === 'checked-in' && standing.seatedAt) return { ...standing, seatedAt: null };
  const earlier = [...standing.earlierStatuses];
  return { ...standing, status: earlier.pop() ?? 'booked', earlierStatuses: earlier };
}

/** What an appointment may be created as: one that is over may carry how it ended. Pure. */
export function mayBeCreatedAs(status: AppointmentStatus, isOver: boolean): boolean {
  return status === 'proposed' || status === 'booked' || (isOver && status !== 'entered-in-error');
}

/** Only a booking is reminded of: a request may still be declined, and whoever has arrived knows. Pure. */
export function isRemindable(status: AppointmentStatus): boolean {
  return status === 'booked';
}

const lateCancelMs = 24 * 3_600_000;

/** Cancelled less than a day before the start, when the chair can hardly be filled again. Pure. */
export function isLateCancel(start: Date, now: Date): boolean {
  return start.getTime() - now.getTime() < lateCancelMs;
}

const longestMs = 7 * 24 * 3_600_000;

/** Why an appointment cannot have these times, if so. Pure. */
export function timesFault(
  start: Date,
  end: Date,
): { pointer: string; code: string; detail: string } | undefined {
  const length = end.getTime() - start.getTime();
  if (length <= 0) {
    return { pointer: '/end', code: 'end_not_after_start', detail: 'end must be after start.' };
  }
  if (length > longestMs) {
    return { pointer: '/end', code: 'too_long', detail: 'An appointment lasts 7 days at most.' };
  }
  return undefined;
}
