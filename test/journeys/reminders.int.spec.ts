import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import {
  book,
  inMinutes,
  openClinic,
  patch,
  type Clinic,
} from '../support/factories-appointments.js';
import { createTestDatabase } from '../support/postgres.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * The hub's own clock and tick, nothing told to them: what is due in seconds arrives, and nobody polled for it.
 */
const dueIn = (hub: TestHub, seconds: number) => inMinutes(hub, 30 + seconds / 60);

/** The events of a type about a practice, once there are any; the feed waits for them. */
async function feed(hub: TestHub, { practiceId }: Clinic, type: string): Promise<any[]> {
  const query = `eventTypes=${type}&practiceIds=${practiceId}&wait=20`;
  return (await hub.api('GET', `/v1/events?${query}`)).body.data;
}

describe('the next appointment is in 30 minutes', () => {
  let hub: TestHub;
  let partner: WebhookReceiver;
  beforeAll(async () => {
    [hub, partner] = await Promise.all([startTestHub(), startWebhookReceiver()]);
  });
  afterAll(() => Promise.all([hub?.close(), partner?.close()]));

  it('reaches a partner signed, at its moment, for a dental and a veterinary practice', async () => {
    const endpoint = await hub.api('POST', '/v1/endpoints', {
      url: `${partner.url}/hook`,
      eventTypes: ['appointment.reminder_due'],
    });
    partner.setSecret(endpoint.body.secret);
    const dental = await openClinic(hub);
    const vet = await openClinic(hub, { kind: 'veterinary', timeZone: 'Europe/Berlin' });
    const animal = await hub.api('POST', `/v1/practices/${vet.practiceId}/patients`, {
      kind: 'animal',
      givenName: 'Rex',
      species: 'dog',
      owner: { givenName: 'Ada', familyName: 'Byrne' },
    });
    const rex = { ...vet, patientId: animal.body.id };
    const visits = [
      await book(hub, dental, await dueIn(hub, 2)),
      await book(hub, rex, await dueIn(hub, 2)),
    ];
    const arrived = await partner.waitForCount(2);
    for (const visit of visits) {
      const webhook = arrived.find(({ event }) => event.subject === `appointments/${visit.id}`)!;
      expect(webhook.verified).toBe(true);
      expect(webhook.event).toMatchObject({
        type: 'appointment.reminder_due',
        practiceid: visit.practiceId,
        actor: 'system/reminders',
        data: {
          appointmentId: visit.id,
          patientId: visit.patientId,
          start: visit.start,
          localStart: visit.localStart,
          leadMinutes: 30,
          dueAt: new Date(Date.parse(visit.start) - 30 * 60_000).toISOString(),
        },
      });
    }
  });

  it('is not said of a patient who died meanwhile, nor of what was cancelled', async () => {
    const clinic = await openClinic(hub);
    const patient = `/v1/practices/${clinic.practiceId}/patients/${clinic.patientId}`;
    await book(hub, clinic, await dueIn(hub, 4));
    await patch(hub, patient, { status: 'deceased' });
    const other = await openClinic(hub);
    const visit = await book(hub, other, await dueIn(hub, 4));
    await hub.api('POST', `/v1/practices/${other.practiceId}/appointments/${visit.id}/cancel`);
    // Due after both: once it has come, theirs would have.
    const witness = await openClinic(hub);
    await book(hub, witness, await dueIn(hub, 4));
    expect(await feed(hub, witness, 'appointment.reminder_due')).toHaveLength(1);
    const { body } = await hub.api(
      'GET',
      `/v1/events?eventTypes=appointment.reminder_due&practiceIds=${clinic.practiceId},${other.practiceId}`,
    );
    expect(body.data).toEqual([]);
  });
});

it('what falls due while no hub runs is said late, or said to be missed', async () => {
  const database = await createTestDatabase();
  try {
    const first = await startTestHub({ databaseUrl: database.url });
    const clinic = await openClinic(first, { reminderRules: [{ leadMinutes: 30 }] });
    const late = await book(first, clinic, await inMinutes(first, 60));
    const missed = await book(first, clinic, await inMinutes(first, 60));
    await first.close();
    await timePasses(database.url, late, 45);
    await timePasses(database.url, missed, 61);

    const second = await startTestHub({ databaseUrl: database.url });
    try {
      expect(await feed(second, clinic, 'appointment.reminder_missed')).toMatchObject([
        { subject: `appointments/${missed.id}`, data: { leadMinutes: 30 } },
      ]);
      const said = await feed(second, clinic, 'appointment.reminder_due');
      expect(said).toMatchObject([{ subject: `appointments/${late.id}` }]);
      // Due 15 minutes ago by the clock that was put forward, while the appointment is still ahead.
      expect(said[0].data.lateBySeconds).toBeGreaterThanOrEqual(15 * 60);
      expect(said[0].data.lateBySeconds).toBeLessThan(30 * 60);
    } finally {
      await second.close();
    }
  } finally {
    await database.drop();
  }
});

/** For one appointment, by bringing its times nearer: a test cannot wait for them. */
async function timePasses(url: string, { id }: { id: string }, minutes: number): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `with gone as (select make_interval(mins => $2) as by), moved as (
         update appointments set start_at = start_at - by, end_at = end_at - by from gone where id = $1
       )
       update appointment_reminders set due_at = due_at - by, fire_until = fire_until - by
       from gone where appointment_id = $1`,
      [id, minutes],
    );
  } finally {
    await client.end();
  }
}
