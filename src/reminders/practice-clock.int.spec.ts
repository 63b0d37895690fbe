import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  act,
  book,
  bookMany,
  eventsOf,
  inMinutes,
  openClinic,
  patch,
  remindersOf,
} from '../../test/support/factories-appointments.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { ReminderTick } from './reminder-tick.js';

let hub: TestHub;
let tick: ReminderTick;
const start = '2031-06-10T14:30:00.000Z';
const at = (iso: string) => new Date(iso);

beforeAll(async () => {
  hub = await startTestHub();
  tick = hub.app.get(ReminderTick);
});
afterAll(() => hub?.close());

const leadsSaid = async (appointment: { id: string }) =>
  (await eventsOf(hub, appointment))
    .filter(({ type }) => type === 'appointment.reminder_due')
    .map(({ data }) => (data.leadDays ? `${data.leadDays}d` : `${data.leadMinutes}m`));
const planOf = async (appointment: { id: string }) =>
  (await remindersOf(hub, appointment)).map(
    ({ sequence, lead, status }) => `${sequence} ${lead} ${status}`,
  );
const changePractice = async (id: string, body: Record<string, unknown>) => {
  const answer = await patch(hub, `/v1/practices/${id}`, body);
  expect(answer.status).toBe(200);
  return answer.body;
};

describe('a change of zone', () => {
  it('keeps the wall clock, moves the moments and says so', async () => {
    const clinic = await openClinic(hub);
    const visit = await book(hub, clinic, start);
    await act(hub, visit, 'confirm');
    await changePractice(clinic.practiceId, { timeZone: 'America/Los_Angeles' });
    const path = `/v1/practices/${clinic.practiceId}/appointments/${visit.id}`;
    expect((await hub.api('GET', path)).body).toMatchObject({
      start: '2031-06-10T16:30:00.000Z',
      end: '2031-06-10T17:00:00.000Z',
      timeZone: 'America/Los_Angeles',
      localStart: '2031-06-10T09:30:00',
      sequence: 1,
      confirmation: 'confirmed',
      version: 3,
    });
    expect((await eventsOf(hub, visit)).at(-1)).toMatchObject({
      type: 'appointment.rescheduled',
      subjectVersion: 3,
      data: {
        start: '2031-06-10T16:30:00.000Z',
        previous: { start, end: '2031-06-10T15:00:00.000Z' },
        reason: 'time zone of the practice changed',
        initiatedBy: 'practice',
        sequence: 1,
      },
    });
    expect(await remindersOf(hub, visit)).toMatchObject([
      { sequence: 0, status: 'superseded' },
      { sequence: 0, status: 'superseded' },
      { sequence: 1, lead: '1d', dueAt: '2031-06-09T16:30:00.000Z', status: 'pending' },
      { sequence: 1, lead: '30m', dueAt: '2031-06-10T16:00:00.000Z', status: 'pending' },
    ]);
  });

  it('does not repeat what fired: the patient was told the same wall clock', async () => {
    const clinic = await openClinic(hub);
    const visit = await book(hub, clinic, start);
    await tick.run(at('2031-06-09T14:30:00Z'));
    await changePractice(clinic.practiceId, { timeZone: 'America/Los_Angeles' });
    await changePractice(clinic.practiceId, { timeZone: 'America/Denver' });
    await tick.run(at('2031-06-10T15:29:00Z'));
    expect(await leadsSaid(visit)).toEqual(['1d', '30m']);
  });

  it('leaves the past, and what is cancelled until it is reopened', async () => {
    const clinic = await openClinic(hub);
    const past = await book(hub, clinic, await inMinutes(hub, -60));
    const cancelled = await book(hub, clinic, start);
    await act(hub, cancelled, 'cancel');
    await changePractice(clinic.practiceId, { timeZone: 'America/Los_Angeles' });
    const read = async ({ id }: { id: string }) =>
      (await hub.api('GET', `/v1/practices/${clinic.practiceId}/appointments/${id}`)).body;
    expect(await read(past)).toEqual(past);
    expect(await read(cancelled)).toMatchObject({ start, timeZone: 'America/Chicago' });
    expect((await act(hub, cancelled, 'reopen')).body).toMatchObject({
      start: '2031-06-10T16:30:00.000Z',
      timeZone: 'America/Los_Angeles',
      localStart: '2031-06-10T09:30:00',
      sequence: 1,
    });
    expect(await planOf(cancelled)).toEqual([
      '0 1d superseded',
      '0 30m superseded',
      '1 1d pending',
      '1 30m pending',
    ]);
  });

  it('to one that shows the same says that only the name changed, and keeps the plan', async () => {
    const clinic = await openClinic(hub, { timeZone: 'America/New_York' });
    const visit = await book(hub, clinic, start);
    await act(hub, visit, 'reschedule', {
      start: '2031-06-11T14:30:00Z',
      end: '2031-06-11T15:00:00Z',
    });
    await tick.run(at('2031-06-10T14:30:00Z'));
    await changePractice(clinic.practiceId, { timeZone: 'America/Detroit' });
    expect((await eventsOf(hub, visit)).at(-1)).toMatchObject({
      type: 'appointment.updated',
      data: {
        timeZone: 'America/Detroit',
        changedFields: ['timeZone'],
        previous: { timeZone: 'America/New_York' },
        sequence: 1,
      },
    });
    expect((await planOf(visit)).slice(-2)).toEqual(['1 1d fired', '1 30m pending']);
  });

  it('together with rules, for a large practice, in one go', async () => {
    const clinic = await openClinic(hub);
    await bookMany(hub, clinic, 1100, at(start));
    await changePractice(clinic.practiceId, {
      timeZone: 'Europe/Berlin',
      reminderRules: [{ leadMinutes: 45 }],
    });
    const { rows } = await hub.database.query(
      `select sequence, lead, status, due_at, count(*)::int from appointment_reminders
       where practice_id = $1 and status = 'pending' group by 1, 2, 3, 4`,
      [clinic.practiceId],
    );
    expect(rows).toEqual([
      {
        sequence: 1,
        lead: '45m',
        status: 'pending',
        due_at: at('2031-06-10T06:45:00Z'),
        count: 1100,
      },
    ]);
    const said = await hub.database.query(
      `select count(*)::int, count(distinct subject)::int as subjects from events
       where practice_id = $1 and type = 'appointment.rescheduled'`,
      [clinic.practiceId],
    );
    expect(said.rows).toEqual([{ count: 1100, subjects: 1100 }]);
  });
});

describe('daylight saving', () => {
  const rules = { reminderRules: [{ leadDays: 1 }, { leadMinutes: 1440 }] };

  it.each([
    // 09:30 after the night in which the clock is put forward: the day is 23 hours long, 1440 minutes are not.
    ['forward', 'America/New_York', '2031-03-09T13:30:00Z', '2031-03-08T14:30:00.000Z'],
    ['back', 'America/New_York', '2031-11-02T14:30:00Z', '2031-11-01T13:30:00.000Z'],
    ['forward', 'Europe/Berlin', '2031-03-30T07:30:00Z', '2031-03-29T08:30:00.000Z'],
    ['back', 'Europe/Berlin', '2031-10-26T08:30:00Z', '2031-10-25T07:30:00.000Z'],
  ])(
    'clock put %s in %s: the day before at the same time of day',
    async (_, timeZone, from, dayBefore) => {
      const clinic = await openClinic(hub, { timeZone, ...rules });
      const visit = await book(hub, clinic, from);
      await tick.run(at(new Date(Date.parse(dayBefore) - 1).toISOString()));
      const early = await leadsSaid(visit);
      expect(early).not.toContain('1d');
      await tick.run(at(dayBefore));
      await tick.run(new Date(Date.parse(from) - 60_000));
      const said = (await eventsOf(hub, visit)).slice(1).map(({ data }) => data);
      expect(said.find(({ leadDays }) => leadDays === 1)).toMatchObject({
        dueAt: dayBefore,
        localTime: expect.stringMatching(/T09:30:00$/),
        lateBySeconds: 0,
      });
      expect(said.find(({ leadDays }) => !leadDays).dueAt).toBe(
        new Date(Date.parse(from) - 86_400_000).toISOString(),
      );
    },
  );

  it('a time of day that does not exist moves forward, one that exists twice is the first', async () => {
    const clinic = await openClinic(hub, {
      timeZone: 'America/New_York',
      reminderRules: [
        { leadDays: 1, at: '02:30' },
        { leadDays: 1, at: '01:30' },
      ],
    });
    const spring = await book(hub, clinic, '2031-03-10T15:00:00Z');
    expect(await remindersOf(hub, spring)).toMatchObject([
      { lead: '1d@01:30', dueAt: '2031-03-09T06:30:00.000Z' },
      { lead: '1d@02:30', dueAt: '2031-03-09T07:30:00.000Z' },
    ]);
    const autumn = await book(hub, clinic, '2031-11-03T15:00:00Z');
    expect(await remindersOf(hub, autumn)).toMatchObject([
      { lead: '1d@01:30', dueAt: '2031-11-02T05:30:00.000Z' },
      { lead: '1d@02:30', dueAt: '2031-11-02T07:30:00.000Z' },
    ]);
  });
});
