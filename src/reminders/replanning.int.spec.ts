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
import { eventually } from '../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { databaseTime, Transactions } from '../database/transactions.js';
import { PracticesService } from '../practices/practices.service.js';
import { ReminderPlanner } from './reminder-planner.js';
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

describe('a late booking', () => {
  // In 10 minutes: the half hour and the day have passed.
  const late = async (reminderRules: object[], minutes = 10) => {
    const clinic = await openClinic(hub, { reminderRules });
    return book(hub, clinic, await inMinutes(hub, minutes));
  };

  it('nearest: only the latest that has passed, at once', async () => {
    const visit = await late([{ leadDays: 1 }, { leadMinutes: 30 }, { leadMinutes: 60 }]);
    await tick.run();
    expect(await leadsSaid(visit)).toEqual(['30m']);
    const [reminder] = (await eventsOf(hub, visit)).slice(-1);
    expect(reminder!.data.lateBySeconds).toBeGreaterThanOrEqual(1200);
    expect(reminder!.data.lateBySeconds).toBeLessThan(1500);
  });

  it('nearest: none while another is ahead', async () => {
    const visit = await late([{ leadDays: 1 }, { leadMinutes: 30 }], 120);
    await tick.run();
    expect(await planOf(visit)).toEqual(['0 1d skipped', '0 30m pending']);
  });

  it('fire_now: also beside another that is ahead', async () => {
    const visit = await late([{ leadDays: 1, onLate: 'fire_now' }, { leadMinutes: 30 }], 120);
    await tick.run();
    expect(await planOf(visit)).toEqual(['0 1d fired', '0 30m pending']);
    expect(await leadsSaid(visit)).toEqual(['1d']);
  });

  it('skip: none', async () => {
    const visit = await late([{ leadMinutes: 30, onLate: 'skip' }]);
    await tick.run();
    expect(await planOf(visit)).toEqual(['0 30m skipped']);
    expect(await leadsSaid(visit)).toEqual([]);
  });

  it('moved so near is late, too', async () => {
    const clinic = await openClinic(hub, { reminderRules: [{ leadMinutes: 30 }] });
    const visit = await book(hub, clinic, start);
    const soon = await inMinutes(hub, 10);
    await act(hub, visit, 'reschedule', {
      start: soon.toISOString(),
      end: (await inMinutes(hub, 40)).toISOString(),
    });
    await tick.run();
    expect(await leadsSaid(visit)).toEqual(['30m']);
  });

  it('of what is under way already raises nothing', async () => {
    const visit = await late([{ leadMinutes: 30, onLate: 'fire_now' }], -10);
    await tick.run();
    expect(await planOf(visit)).toEqual([]);
  });
});

describe('a change of rules', () => {
  it('applies to what is booked: new rules are planned, dropped ones superseded', async () => {
    const clinic = await openClinic(hub);
    const visit = await book(hub, clinic, start);
    await changePractice(clinic.practiceId, {
      reminderRules: [{ leadMinutes: 60 }, { leadDays: 1, at: '18:00' }],
    });
    expect(await remindersOf(hub, visit)).toEqual([
      { sequence: 0, lead: '1d', dueAt: '2031-06-09T14:30:00.000Z', status: 'superseded' },
      { sequence: 0, lead: '1d@18:00', dueAt: '2031-06-09T23:00:00.000Z', status: 'pending' },
      { sequence: 0, lead: '60m', dueAt: '2031-06-10T13:30:00.000Z', status: 'pending' },
      { sequence: 0, lead: '30m', dueAt: '2031-06-10T14:00:00.000Z', status: 'superseded' },
    ]);
    await tick.run(at('2031-06-10T14:29:00Z'));
    expect(await leadsSaid(visit)).toEqual(['1d', '60m']);
  });

  it('does not fire again what fired: a rule is its lead', async () => {
    const clinic = await openClinic(hub);
    const visit = await book(hub, clinic, start);
    await tick.run(at('2031-06-09T14:30:00Z'));
    await changePractice(clinic.practiceId, { reminderRules: [] });
    expect(await planOf(visit)).toEqual(['0 1d fired', '0 30m superseded']);
    await changePractice(clinic.practiceId, {
      reminderRules: [{ leadDays: 1, name: 'The day before', onLate: 'fire_now' }],
    });
    await tick.run(at('2031-06-10T14:29:00Z'));
    expect(await leadsSaid(visit)).toEqual(['1d']);
  });

  it('that only renames leaves the rows as they are, and a rule that comes back is planned', async () => {
    const clinic = await openClinic(hub, { reminderRules: [{ leadMinutes: 30 }] });
    const visit = await book(hub, clinic, start);
    const before = await remindersOf(hub, visit);
    await changePractice(clinic.practiceId, { reminderRules: [{ leadMinutes: 30, name: 'Soon' }] });
    expect(await remindersOf(hub, visit)).toEqual(before);
    await changePractice(clinic.practiceId, { reminderRules: [] });
    await changePractice(clinic.practiceId, { reminderRules: [{ leadMinutes: 30 }] });
    expect(await planOf(visit)).toEqual(['0 30m pending']);
  });

  it('leaves what was skipped as late skipped', async () => {
    const clinic = await openClinic(hub);
    const visit = await book(hub, clinic, await inMinutes(hub, 120));
    await changePractice(clinic.practiceId, {
      reminderRules: [{ leadDays: 1, onLate: 'fire_now' }, { leadMinutes: 30 }],
    });
    await tick.run();
    expect(await planOf(visit)).toEqual(['0 1d skipped', '0 30m pending']);
  });

  it('does not swallow what is overdue because the hub was down', async () => {
    const clinic = await openClinic(hub, { reminderRules: [{ leadMinutes: 30, onLate: 'skip' }] });
    const visit = await book(hub, clinic, await inMinutes(hub, 40));
    await hub.app.get(Transactions).run([clinic.practiceId], async (tx) => {
      // As if it had been booked for 20 minutes earlier and nobody had ticked since: the lock keeps ticks away.
      await tx.query(
        `update appointment_reminders set due_at = due_at - interval '20 minutes',
           fire_until = fire_until - interval '20 minutes' where appointment_id = $1`,
        [visit.id],
      );
      const earlier = { ...visit, start: new Date(Date.parse(visit.start) - 20 * 60_000) };
      const practice = await hub.app.get(PracticesService).get(clinic.practiceId, tx);
      const now = await databaseTime(tx);
      await hub.app.get(ReminderPlanner).plan(tx, practice, [earlier], now);
    });
    await tick.run();
    expect(await leadsSaid(visit)).toEqual(['30m']);
  });

  it('reaches every booking of a large practice, and none of another', async () => {
    const [clinic, other] = [await openClinic(hub), await openClinic(hub)];
    await bookMany(hub, clinic, 1100, at(start));
    await bookMany(hub, other, 3, at(start));
    await changePractice(clinic.practiceId, { reminderRules: [{ leadMinutes: 45 }] });
    const { rows } = await hub.database.query(
      `select practice_id, lead, status, count(*)::int from appointment_reminders
       where practice_id = any($1) group by 1, 2, 3 order by 4 desc, 2`,
      [[clinic.practiceId, other.practiceId]],
    );
    expect(rows).toEqual([
      { practice_id: clinic.practiceId, lead: '30m', status: 'superseded', count: 1100 },
      { practice_id: clinic.practiceId, lead: '45m', status: 'pending', count: 1100 },
      { practice_id: other.practiceId, lead: '30m', status: 'pending', count: 3 },
    ]);
  });
});

it('says late what the hub was down for, also when the visit was made longer meanwhile', async () => {
  const clinic = await openClinic(hub, { reminderRules: [{ leadDays: 1 }, { leadMinutes: 30 }] });
  const visit = await book(hub, clinic, start);
  await hub.database.query(
    `update appointment_reminders set due_at = clock_timestamp() - interval '1 minute'
     where appointment_id = $1 and lead = '1d'`,
    [visit.id],
  );
  const longer = { start, end: '2031-06-10T16:30:00.000Z' };
  expect((await act(hub, visit, 'reschedule', longer)).status).toBe(200);
  expect(await remindersOf(hub, visit)).toContainEqual(
    expect.objectContaining({ lead: '1d', sequence: 1, status: 'pending' }),
  );
});

it('serves a practice that is written to without a pause, though it finds no free moment', async () => {
  const clinic = await openClinic(hub, { reminderRules: [{ leadMinutes: 30 }] });
  const visit = await book(hub, clinic, start);
  const writer = await hub.database.connect();
  await writer.query('begin');
  await writer.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [clinic.practiceId]);
  const ticking = tick.run(at('2031-06-10T14:10:00Z'));
  await eventually(async () => {
    const { rows } = await hub.database.query(
      `select count(*)::int as n from pg_locks where locktype = 'advisory' and not granted`,
    );
    expect(rows[0].n).toBe(1);
  });
  await writer.query('commit');
  writer.release();
  await ticking;
  expect(await leadsSaid(visit)).toEqual(['30m']);
});
