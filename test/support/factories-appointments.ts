import { expect } from '@jest/globals';
import type { Api, ApiAnswer, TestHub } from './start-hub.js';
import { readEvents } from './sealed.js';

type Database = Pick<TestHub, 'database'>;

/** A practice with one patient, made over the API. */
export interface Clinic {
  practiceId: string;
  patientId: string;
  accountId: string;
}

export async function openClinic(
  hub: Api,
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
  hub: Api,
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
  hub: Api,
  appointment: { practiceId: string; id: string },
  action: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<ApiAnswer> {
  const { practiceId, id } = appointment;
  const path = `/v1/practices/${practiceId}/appointments/${id}/${action}`;
  return hub.api('POST', path, body, headers);
}

/** Changes a resource as somebody who has just read it. */
export async function patch(
  hub: Api,
  path: string,
  body: Record<string, unknown>,
): Promise<ApiAnswer> {
  const read = await hub.api('GET', path);
  return hub.api('PATCH', path, body, { 'if-match': read.headers.get('etag')! });
}

/**
 * Books many at once, by SQL: `count` appointments of one patient at `start`, each with a reminder 30 minutes
 * before. Returns their ids.
 */
export async function bookMany(
  hub: Database,
  { practiceId, patientId }: Clinic,
  count: number,
  start: Date,
): Promise<string[]> {
  const { rows } = await hub.database.query(
    `with made as (
       insert into appointments (id, practice_id, patient_id, start_at, end_at, time_zone, local_start, status)
       select hub_uuid_v7(), p.id, $2, $3, $3::timestamptz + interval '30 minutes', p.time_zone,
              to_char($3::timestamptz at time zone p.time_zone, 'YYYY-MM-DD"T"HH24:MI:SS'), 'booked'
       from practices as p, generate_series(1, $4) where p.id = $1
       returning id, practice_id, start_at
     ), reminders as (
       insert into appointment_reminders
         (practice_id, appointment_id, sequence, lead, rule_id, lead_minutes, due_at, fire_until)
       select practice_id, id, 0, '30m', gen_random_uuid(), 30, start_at - interval '30 minutes', start_at from made
     )
     select id from made order by id`,
    [practiceId, patientId, start, count],
  );
  return rows.map(({ id }) => id);
}

/** What the log says of one appointment, in order. */
export async function eventsOf(
  hub: Database,
  { id }: { id: string },
): Promise<{ id: string; type: string; subjectVersion: number; time: Date; data: any }[]> {
  const events = await readEvents(hub.database, 'subject = $1', [`appointments/${id}`]);
  return events.map(({ subject_version: subjectVersion, id, type, time, actor, data }) => ({
    id,
    type,
    subjectVersion,
    time,
    actor,
    data,
  }));
}

/** The rows of an appointment's reminders, in order of sequence and moment. */
export async function remindersOf(
  hub: Database,
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
export async function inMinutes(hub: Database, minutes: number): Promise<Date> {
  const { rows } = await hub.database.query(
    `select clock_timestamp()::timestamptz(3) + make_interval(secs => $1::float8 * 60) as moment`,
    [minutes],
  );
  return rows[0].moment;
}
