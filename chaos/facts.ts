import type { Random } from './random.js';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** A practice of the run reminds once, so long before an appointment. */
export const reminderLeadMinutes = 30;

/** One thing that happens in a practice: a request, and the events that must come of it. */
export interface Fact {
  path: string;
  body: object;
  /** `type subject` of each. */
  says(answer: { id: string; accountId: string }): string[];
}

/** Tells facts one after the other; each is accepted before the next is drawn, which may use its answer. */
export type Story = (
  practiceId: string,
  random: Random,
) => AsyncGenerator<Fact, void, { id: string; accountId: string }>;

/** A patient who is new, is charged a few times and pays: many events about one account. */
const newPatient: Story = async function* (practiceId, random) {
  const { id } = yield patient(practiceId);
  const entries = 1 + random.below(6);
  for (let nth = 0; nth < entries; nth += 1) yield entry(practiceId, 'charges', id);
  yield entry(practiceId, 'payments', id);
};

/** An appointment through all its stations: many events about one appointment. */
const visit: Story = async function* (practiceId, random) {
  const { id: patientId } = yield patient(practiceId);
  const start = Date.now() + random.between(2, 90) * dayMs;
  const { id } = yield appointment(practiceId, patientId, start);
  const act = (action: string, type: string, body: object = {}): Fact => ({
    path: `/v1/practices/${practiceId}/appointments/${id}/${action}`,
    body,
    says: () => [`appointment.${type} appointments/${id}`],
  });
  yield act('confirm', 'confirmed');
  if (random.next() < 0.5) {
    yield act('reschedule', 'rescheduled', slot(start + dayMs));
    yield act('confirm', 'confirmed');
  }
  if (random.next() < 0.2) {
    yield act('cancel', 'cancelled', { cancelledBy: 'patient' });
    return;
  }
  yield act('arrive', 'arrived');
  yield act('check-in', 'checked_in');
  yield act('seat', 'seated');
  yield act('complete', 'completed');
};

/** An appointment whose reminder falls due a few seconds later: an event that no request brings about. */
const reminded: Story = async function* (practiceId, random) {
  const { id: patientId } = yield patient(practiceId);
  const start = Date.now() + reminderLeadMinutes * minuteMs + random.between(3000, 8000);
  const booked = appointment(practiceId, patientId, start);
  yield {
    ...booked,
    says: ({ id, accountId }) => [
      ...booked.says({ id, accountId }),
      `appointment.reminder_due appointments/${id}`,
    ],
  };
};

export const stories: readonly Story[] = [
  newPatient,
  newPatient,
  newPatient,
  visit,
  visit,
  reminded,
];

function patient(practiceId: string): Fact {
  return {
    path: `/v1/practices/${practiceId}/patients`,
    body: { kind: 'human', givenName: 'Ada', familyName: 'Byrne' },
    says: ({ id, accountId }) => [
      `account.created accounts/${accountId}`,
      `patient.created patients/${id}`,
    ],
  };
}

function entry(practiceId: string, family: 'charges' | 'payments', patientId: string): Fact {
  const type = family === 'charges' ? 'charge.posted' : 'payment.posted';
  return {
    path: `/v1/practices/${practiceId}/${family}`,
    body: {
      patientId,
      amount: 5000,
      currency: 'USD',
      ...(family === 'payments' && { method: 'card', payer: { type: 'patient' } }),
    },
    says: ({ accountId }) => [
      `${type} accounts/${accountId}`,
      `account.balance_changed accounts/${accountId}`,
    ],
  };
}

function appointment(practiceId: string, patientId: string, start: number): Fact {
  return {
    path: `/v1/practices/${practiceId}/appointments`,
    body: { patientId, ...slot(start) },
    says: ({ id }) => [`appointment.scheduled appointments/${id}`],
  };
}

function slot(start: number): { start: string; end: string } {
  return {
    start: new Date(start).toISOString(),
    end: new Date(start + 30 * minuteMs).toISOString(),
  };
}
