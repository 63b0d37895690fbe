import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import {
  act,
  book,
  eventsOf,
  openClinic,
  patch,
  remindersOf,
} from '../../test/support/factories-appointments.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { ReminderTick } from './reminder-tick.js';

/*
 * Appointments lie years ahead and the tick is told the time, so that the hub's own tick, which goes by the
 * database's clock, finds nothing to do.
 */
let hub: TestHub;
let tick: ReminderTick;
const start = '2031-06-10T14:30:00.000Z';
const at = (iso: string) => new Date(iso);
const due = at('2031-06-10T14:00:00.000Z');
const halfAnHour = { reminderRules: [{ leadMinutes: 30 }] };

beforeAll(async () => {
  hub = await startTestHub();
  tick = hub.app.get(ReminderTick);
});
afterAll(() => hub?.close());

const typesOf = async (appointment: { id: string }) =>
  (await eventsOf(hub, appointment)).map(({ type }) => type);
const statusesOf = async (appointment: { id: string }) =>
  (await remindersOf(hub, appointment)).map(({ status }) => status);
const remindersSaid = async (appointment: { id: string }) =>
  (await eventsOf(hub, appointment)).filter(({ type }) => type.startsWith('appointment.reminder'));

describe('a reminder', () => {
  it('fires when it is due and not before, once, with everything about the appointment', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start, { providers: [{ name: 'Ruth Okafor' }] });
    await tick.run(new Date(due.getTime() - 1));
    expect(await remindersSaid(visit)).toEqual([]);
    await tick.run(due);
    await tick.run(due);
    const [event, ...others] = await remindersSaid(visit);
    expect(others).toEqual([]);
    const practice = await hub.api('GET', `/v1/practices/${clinic.practiceId}`);
    expect(event).toMatchObject({
      type: 'appointment.reminder_due',
      actor: 'system/reminders',
      subjectVersion: 1,
      time: due,
    });
    expect(event!.data).toEqual({
      ...(await eventsOf(hub, visit))[0]!.data,
      ruleId: practice.body.reminderRules[0].id,
      leadMinutes: 30,
      dueAt: due.toISOString(),
      localTime: '2031-06-10T09:00:00',
      lateBySeconds: 0,
    });
    expect(await remindersOf(hub, visit)).toEqual([
      { sequence: 0, lead: '30m', dueAt: due.toISOString(), status: 'fired' },
    ]);
  });

  it('tells how the appointment stands when it fires', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start);
    await act(hub, visit, 'confirm');
    await tick.run(due);
    const [event] = await remindersSaid(visit);
    expect(event).toMatchObject({ subjectVersion: 2, data: { confirmation: 'confirmed' } });
  });
});

describe('moving and ending', () => {
  it('reschedule: the old moment is silent, the new one speaks', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start);
    await act(hub, visit, 'reschedule', {
      start: '2031-06-12T14:30:00Z',
      end: '2031-06-12T15:00:00Z',
    });
    await tick.run(due);
    expect(await remindersSaid(visit)).toEqual([]);
    await tick.run(at('2031-06-12T14:00:00Z'));
    const said = await remindersSaid(visit);
    expect(said.map(({ data }) => data.sequence)).toEqual([1]);
    expect(await statusesOf(visit)).toEqual(['superseded', 'fired']);
  });

  it('reschedule to an earlier day, after the reminder has fired: it fires for the new time', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start);
    await tick.run(due);
    await act(hub, visit, 'reschedule', {
      start: '2031-06-09T14:30:00Z',
      end: '2031-06-09T15:00:00Z',
    });
    await tick.run(at('2031-06-09T14:00:00Z'));
    expect((await remindersSaid(visit)).map(({ data }) => data.sequence)).toEqual([0, 1]);
  });

  it('a longer visit with the same start does not remind again', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start);
    await tick.run(due);
    await act(hub, visit, 'reschedule', { start, end: '2031-06-10T16:00:00Z' });
    await tick.run(at('2031-06-10T14:10:00Z'));
    expect(await remindersSaid(visit)).toHaveLength(1);
    expect(await remindersOf(hub, visit)).toMatchObject([{ sequence: 1, status: 'fired' }]);
  });

  it.each(['cancel', 'no-show', 'arrive', 'complete'])(
    '%s silences it; reopened, it speaks again',
    async (action) => {
      const clinic = await openClinic(hub, halfAnHour);
      const visit = await book(hub, clinic, start);
      await act(hub, visit, action);
      await tick.run(due);
      expect(await statusesOf(visit)).toEqual(['superseded']);
      expect(await remindersSaid(visit)).toEqual([]);
      await act(hub, visit, 'reopen');
      await tick.run(due);
      expect(await statusesOf(visit)).toEqual(['fired']);
    },
  );

  it('one cancellation leaves the reminders of others', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const [gone, stays] = [await book(hub, clinic, start), await book(hub, clinic, start)];
    await act(hub, gone, 'cancel');
    await tick.run(due);
    expect(await remindersSaid(gone)).toEqual([]);
    expect(await remindersSaid(stays)).toHaveLength(1);
  });

  it.each(['inactive', 'deceased'])('is skipped for a patient who is %s', async (status) => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start);
    const patient = `/v1/practices/${clinic.practiceId}/patients/${clinic.patientId}`;
    expect((await patch(hub, patient, { status })).status).toBe(200);
    await tick.run(due);
    expect(await statusesOf(visit)).toEqual(['skipped']);
    expect(await remindersSaid(visit)).toEqual([]);
  });
});

describe('racing with a cancellation', () => {
  /** A transaction of another hub that holds the practice's lock until it is told to end. */
  async function holding(practiceId: string): Promise<pg.Client> {
    const other = new pg.Client({ connectionString: hub.databaseUrl });
    await other.connect();
    await other.query('begin');
    await other.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [practiceId]);
    return other;
  }

  it('leaves what is not decided yet, then stays silent', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start);
    const canceller = await holding(clinic.practiceId);
    try {
      const cancel = `update appointments set status = 'cancelled' where id = $1`;
      await canceller.query(cancel, [visit.id]);
      await tick.run(due);
      expect(await statusesOf(visit)).toEqual(['pending']);
      await canceller.query('commit');
      expect(await tick.run(due)).toMatchObject({ fired: 0, superseded: 1 });
      expect(await remindersSaid(visit)).toEqual([]);
    } finally {
      await canceller.end();
    }
  });

  it('fires after all when the cancellation is rolled back, and others meanwhile', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const other = await openClinic(hub, halfAnHour);
    const [visit, free] = [await book(hub, clinic, start), await book(hub, other, start)];
    const canceller = await holding(clinic.practiceId);
    try {
      expect(await tick.run(due)).toMatchObject({ fired: 1 });
      expect(await remindersSaid(free)).toHaveLength(1);
      await canceller.query('rollback');
      expect(await tick.run(due)).toMatchObject({ fired: 1 });
      expect(await remindersSaid(visit)).toHaveLength(1);
    } finally {
      await canceller.end();
    }
  });

  it('over the API: a cancelled appointment is never reminded of afterwards', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visits = [];
    for (let i = 0; i < 8; i++) visits.push(await book(hub, clinic, start));
    const ticking = async () => {
      for (let i = 0; i < 10; i++) await tick.run(due);
    };
    await Promise.all([ticking(), ...visits.map((visit) => act(hub, visit, 'cancel'))]);
    for (const visit of visits) {
      const types = await typesOf(visit);
      expect(types.at(-1)).toBe('appointment.cancelled');
      expect(types.filter((type) => type.startsWith('appointment.reminder')).length).toBe(
        (await statusesOf(visit))[0] === 'fired' ? 1 : 0,
      );
    }
  });
});

describe('after downtime', () => {
  it('fires late while the appointment has not begun, and says how late', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start);
    await tick.run(at('2031-06-10T14:29:59.999Z'));
    expect(await remindersSaid(visit)).toMatchObject([
      { type: 'appointment.reminder_due', data: { lateBySeconds: 1799 } },
    ]);
  });

  it('says appointment.reminder_missed once it has begun', async () => {
    const clinic = await openClinic(hub, halfAnHour);
    const visit = await book(hub, clinic, start);
    expect(await tick.run(at(start))).toMatchObject({ fired: 0, missed: 1 });
    expect(await remindersSaid(visit)).toMatchObject([
      {
        type: 'appointment.reminder_missed',
        data: { leadMinutes: 30, dueAt: due.toISOString(), lateBySeconds: 1800 },
      },
    ]);
    expect(await statusesOf(visit)).toEqual(['missed']);
  });
});

it('skips a reminder that cannot be said, and fires the others', async () => {
  const clinic = await openClinic(hub, halfAnHour);
  const [broken, good] = [await book(hub, clinic, start), await book(hub, clinic, start)];
  await hub.database.query(`update appointments set providers = '"nobody"' where id = $1`, [
    broken.id,
  ]);
  expect(await tick.run(due)).toMatchObject({ fired: 1, skipped: 1 });
  expect(await statusesOf(broken)).toEqual(['skipped']);
  expect(await remindersSaid(good)).toHaveLength(1);
});
