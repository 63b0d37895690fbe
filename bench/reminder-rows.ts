import type pg from 'pg';

/** Somebody to write about during the burst. */
export interface Booked {
  practiceId: string;
  patientId: string;
}

export interface Burst {
  /** How far the common moment is ahead, by the database's clock. */
  dueInMs: number;
  /** One patient of each practice. */
  patients: Booked[];
}

/**
 * Makes practices with `perPractice` patients each, of whom everyone has an appointment at one moment, with the row
 * that the planner writes for a reminder 30 minutes before. In no particular order, as bookings come.
 * @throws Error when that took until the moment itself.
 */
export async function prepareBurst(
  database: pg.Pool,
  practices: number,
  perPractice: number,
): Promise<Burst> {
  const client = await database.connect();
  const began = performance.now();
  try {
    await client.query('begin');
    await client.query(
      `create temp table burst on commit drop as
       select hub_uuid_v7() as practice_id, gen_random_uuid() as rule_id,
              (array['America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles'])[1 + n % 4] as zone
       from generate_series(1, $1) as n`,
      [practices],
    );
    await client.query(
      `insert into practices (id, name, kind, time_zone, currency, requires_agreements, reminder_rules)
       select practice_id, 'Elm Street Dental', 'dental', zone, 'USD', true,
              jsonb_build_array(jsonb_build_object('id', rule_id, 'leadMinutes', 30, 'onLate', 'nearest'))
       from burst`,
    );
    await client.query(
      `create temp table booked on commit drop as
       select b.*, hub_uuid_v7() as account_id, hub_uuid_v7() as patient_id, hub_uuid_v7() as appointment_id, n
       from burst as b, generate_series(1, $1) as n order by random()`,
      [perPractice],
    );
    await client.query(
      `insert into accounts (id, practice_id, holder, currency)
       select account_id, practice_id, '{"givenName": "Ada", "familyName": "Byrne"}', 'USD' from booked`,
    );
    await client.query(
      `insert into patients (id, practice_id, account_id, kind, given_name, family_name, birth_date)
       select patient_id, practice_id, account_id, 'human', 'Ada', 'Byrne', '1985-12-10' from booked`,
    );
    // What is left takes about twice as long as what is done.
    const aheadSeconds = 10 + (4 * (performance.now() - began)) / 1000;
    await client.query(
      `with moment as materialized (
         select clock_timestamp()::timestamptz(3) + make_interval(secs => $1, mins => 30) as start_at
       )
       insert into appointments (id, practice_id, patient_id, start_at, end_at, time_zone, local_start, type,
                                 providers, operatory, note, external_ids, status)
       select appointment_id, practice_id, patient_id, start_at, start_at + interval '30 minutes', zone,
              to_char(start_at at time zone zone, 'YYYY-MM-DD"T"HH24:MI:SS.MS'),
              '{"code": "D1110", "name": "Adult prophylaxis"}',
              '[{"id": "hyg-2", "name": "Ruth Okafor", "role": "hygienist"}]',
              '{"id": "op-3", "name": "Operatory 3"}', 'Prefers the chair by the window.',
              jsonb_build_array(jsonb_build_object('system', 'open-dental', 'value', n::text)), 'booked'
       from booked, moment`,
      [aheadSeconds],
    );
    await client.query(
      `insert into appointment_reminders
         (practice_id, appointment_id, sequence, lead, rule_id, lead_minutes, due_at, fire_until, status)
       select practice_id, b.appointment_id, 0, '30m', b.rule_id, 30, a.start_at - interval '30 minutes', a.start_at,
              'pending'
       from booked as b join appointments as a using (practice_id)
       where a.id = b.appointment_id order by random()`,
    );
    const { rows: patients } = await client.query<Booked>(
      `select practice_id as "practiceId", patient_id as "patientId" from booked where n = 1 order by random()`,
    );
    await client.query('commit');
    // As autovacuum would in a database where these rows have been for days.
    await client.query(
      `vacuum analyze practices, accounts, patients, appointments, appointment_reminders`,
    );
    const { rows } = await client.query<{ in_ms: number }>(
      `select extract(epoch from max(due_at) - clock_timestamp())::float8 * 1000 as in_ms from appointment_reminders
       where status = 'pending' and practice_id = $1`,
      [patients[0]!.practiceId],
    );
    const dueInMs = rows[0]!.in_ms;
    if (!(dueInMs > 0)) throw new Error('the reminders were due before they were all prepared');
    return { dueInMs, patients };
  } finally {
    // A failure leaves its transaction open, which ends with the connection.
    client.release(true);
  }
}
