import { expect } from '@jest/globals';
import type { ApiAnswer, TestHub } from './start-hub.js';

/** A practice with one patient, made over the API. */
export interface Clinic {
  practiceId: string;
  patientId: string;
  accountId: string;
}

export async function openClinic(
  hub: TestHub,
  practice: Record<string, unknown> = {},
): Promise<Clinic> {
  const made = await hub.api('POST', '/v1/practices', {
    name: 'Elm Street Dental',
    kind: 'dental',
    timeZone: 'America/Chicago',
    currency: 'USD',
    ...practice,
  });
  expect(made.status).toBe(201);
  const practiceId: string = made.body.id;
  const patient = await hub.api('POST', `/v1/practices/${practiceId}/patients`, {
    kind: 'human',
    givenName: 'Ada',
  });
  expect(patient.status).toBe(201);
  return { practiceId, patientId: patient.body.id, accountId: patient.body.accountId };
}

/** Books from `start` for 30 minutes and returns the appointment. */
export async function book(
  hub: TestHub,
  { practiceId, patientId }: Clinic,
  start: string | Date,
  more: Record<string, unknown> = {},
): Promise<any> {
  const from = new Date(start);
  const made = await hub.api('POST', `/v1/practices/${practiceId}/appointments`, {
    patientId,
    start: from.toISOString(),
    end: new Date(from.getTime() + 30 * 60_000).toISOString(),
    ...more,
  });
  expect(made.body).toMatchObject({ id: expect.any(String) });
  expect(made.status).toBe(201);
  return made.body;
}

export function act(
  hub: TestHub,
  appointment: { practiceId: string; id: string },
  action: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<ApiAnswer> {
  const { practiceId, id } = appointment;
  const path = `/v1/practices/${practiceId}/appointments/${id}/${action}`;
  return hub.api('POST', path, body, headers);
}

/** What the log says of one appointment, in order. */
export async function eventsOf(
  hub: TestHub,
  { id }: { id: string },
): Promise<{ id: string; type: string; subjectVersion: number; time: Date; data: any }[]> {
  const { rows } = await hub.database.query(
    `select id, type, subject_version as "subjectVersion", time, actor, data from events
     where subject = $1 order by generation, xact_id, seq`,
    [`appointments/${id}`],
  );
  return rows;
}

/** The rows of an appointment's reminders, in order of sequence and moment. */
export async function remindersOf(
  hub: TestHub,
  { id }: { id: string },
): Promise<{ sequence: number; lead: string; dueAt: string; status: string }[]> {
  const { rows } = await hub.database.query(
    `select sequence, lead, due_at, status from appointment_reminders
     where appointment_id = $1 order by sequence, due_at`,
    [id],
  );
  return rows.map(({ due_at, ...row }) => ({ ...row, dueAt: due_at.toISOString() }));
}

/** The database's clock, `minutes` from now: bookings relative to it need no clock of the test's own. */
export async function inMinutes(hub: TestHub, minutes: number): Promise<Date> {
  const { rows } = await hub.database.query(
    `select clock_timestamp()::timestamptz(3) + make_interval(mins => $1) as moment`,
    [minutes],
  );
  return rows[0].moment;
}
