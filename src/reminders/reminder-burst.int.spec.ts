import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { eventually } from '../../test/support/eventually.js';
import { book, bookMany, openClinic } from '../../test/support/factories-appointments.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { ReminderTick } from './reminder-tick.js';

let hub: TestHub;
let tick: ReminderTick;
const start = new Date('2031-06-10T14:30:00.000Z');
const due = new Date('2031-06-10T14:00:00.000Z');
const halfAnHour = { reminderRules: [{ leadMinutes: 30 }] };

beforeAll(async () => {
  // Enough for more than one batch at a time.
  hub = await startTestHub({ settings: { HUB_DATABASE_CONNECTIONS: '20' } });
  tick = hub.app.get(ReminderTick);
});
afterAll(() => hub?.close());

/** Ticks until nothing is due: what is busy is left to the next tick. */
async function drain(practiceIds: string[], ...ticks: ReminderTick[]): Promise<number> {
  let fired = 0;
  await eventually(async () => {
    for (const tally of await Promise.all(ticks.map((each) => each.run(due)))) fired += tally.fired;
    const { rows } = await hub.database.query(
      `select from appointment_reminders where practice_id = any($1) and status = 'pending' and due_at <= $2 limit 1`,
      [practiceIds, due],
    );
    expect(rows).toEqual([]);
  });
  return fired;
}

describe('several hubs', () => {
  it('fire each reminder once, whoever is faster', async () => {
    const second = await startTestHub({ databaseUrl: hub.databaseUrl });
    try {
      const clinics = [];
      for (let i = 0; i < 6; i++) clinics.push(await openClinic(hub, halfAnHour));
      for (const clinic of clinics) await bookMany(hub, clinic, 150, start);
      const other = second.app.get(ReminderTick);
      const practices = clinics.map(({ practiceId }) => practiceId);
      expect(await drain(practices, tick, other, tick)).toBe(900);
      const { rows } = await hub.database.query(
        `select count(*)::int as events, count(distinct subject)::int as appointments,
                (select count(*)::int from appointment_reminders
                 where practice_id = any($1) and status = 'fired') as fired
         from events where practice_id = any($1) and type = 'appointment.reminder_due'`,
        [practices],
      );
      expect(rows).toEqual([{ events: 900, appointments: 900, fired: 900 }]);
    } finally {
      await second.close();
    }
  });

  it('that stop in the middle of a burst leave each reminder either fired or waiting', async () => {
    const second = await startTestHub({ databaseUrl: hub.databaseUrl });
    const clinic = await openClinic(hub, halfAnHour);
    await bookMany(hub, clinic, 1500, start);
    const firing = second.app.get(ReminderTick).run(due);
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select from events where practice_id = $1 and type = 'appointment.reminder_due' limit 1`,
        [clinic.practiceId],
      );
      expect(rows).toHaveLength(1);
    });
    await Promise.all([second.close(), firing.catch(() => undefined)]);
    const count = async () => {
      const { rows } = await hub.database.query(
        `select (select count(*)::int from events
                 where practice_id = $1 and type = 'appointment.reminder_due') as said,
                count(*) filter (where status = 'fired')::int as fired,
                count(*) filter (where status in ('fired', 'pending'))::int as all
         from appointment_reminders where practice_id = $1`,
        [clinic.practiceId],
      );
      return rows[0];
    };
    const stopped = await count();
    expect(stopped.all).toBe(1500);
    expect(stopped.said).toBe(stopped.fired);
    await drain([clinic.practiceId], tick);
    expect(await count()).toEqual({ said: 1500, fired: 1500, all: 1500 });
  });
});

it('lets live facts of the same practice through during a burst', async () => {
  const clinic = await openClinic(hub, halfAnHour);
  await bookMany(hub, clinic, 1500, start);
  const liveFacts = async () => {
    for (let i = 0; i < 20; i++) await book(hub, clinic, '2031-07-01T10:00:00Z');
  };
  await Promise.all([drain([clinic.practiceId], tick), liveFacts()]);
  const { rows } = await hub.database.query(
    `select type from events where practice_id = $1 and type like 'appointment.%'
     order by generation, xact_id, seq`,
    [clinic.practiceId],
  );
  const types = rows.map(({ type }) => type);
  const between = types
    .slice(types.indexOf('appointment.reminder_due'), types.lastIndexOf('appointment.reminder_due'))
    .filter((type) => type === 'appointment.scheduled');
  expect(between.length).toBeGreaterThan(0);
});

it('finds what lies behind more than it looks at, all of it of a practice that stays locked', async () => {
  const [locked, other] = [await openClinic(hub, halfAnHour), await openClinic(hub, halfAnHour)];
  await bookMany(hub, locked, 20_050, start);
  const [visit] = await bookMany(hub, other, 1, start);
  const holder = new pg.Client({ connectionString: hub.databaseUrl });
  await holder.connect();
  try {
    await holder.query('begin');
    await holder.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [
      locked.practiceId,
    ]);
    expect(await tick.run(due)).toMatchObject({ fired: 1 });
    const { rows } = await hub.database.query(
      `select appointment_id as id from appointment_reminders where status = 'fired' and practice_id = any($1)`,
      [[locked.practiceId, other.practiceId]],
    );
    expect(rows).toEqual([{ id: visit }]);
  } finally {
    await holder.end();
  }
});
