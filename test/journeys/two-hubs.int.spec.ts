import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeOnBothBuses } from '../support/buses.js';
import { eventually } from '../support/eventually.js';
import { book, inMinutes } from '../support/factories-appointments.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { openHubStage, type HubProcess, type HubStage } from '../support/hub-process.js';
import {
  arrivalsOf,
  expectWholeStream,
  readStream,
  subscribe,
  type Subscriber,
} from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * Two hubs on one database: together they are one hub.
 */
describeOnBothBuses('two hubs', (bus) => {
  let stage: HubStage;
  let hubs: [HubProcess, HubProcess];
  let receiver: WebhookReceiver;
  let partner: Subscriber;
  beforeAll(async () => {
    stage = await openHubStage(bus.settings());
    [hubs, receiver] = await Promise.all([
      Promise.all([stage.startHub(), stage.startHub()]),
      startWebhookReceiver(),
    ]);
    partner = await subscribe(hubs[0], receiver, '/everything');
  });
  afterAll(async () => {
    await stage?.close();
    await receiver?.close();
  });

  /** Whose endpoints' shards are whose, by the hubs' books. */
  async function shardsOfOwners(): Promise<number[]> {
    const { rows } = await stage.database.query(
      `select count(*)::int as shards from delivery_shards
       where leased_until > clock_timestamp() group by owner order by 1`,
    );
    return rows.map(({ shards }) => shards);
  }

  it('share the endpoints evenly', async () => {
    await eventually(async () => expect(await shardsOfOwners()).toEqual([32, 32]));
  });

  it('bring each event to each partner once, whichever of them the fact came to', async () => {
    const others = await Promise.all(
      Array.from({ length: 6 }, (_, nth) => subscribe(hubs[nth % 2]!, receiver, `/quiet-${nth}`)),
    );
    const practices = await Promise.all(hubs.map((hub) => aPractice(hub)));
    const facts = Array.from({ length: 30 }, (_, nth) =>
      aPatient(hubs[nth % 2]!, practices[nth % 3 === 0 ? 0 : 1]!),
    );
    const patients = await Promise.all(facts);
    await expectWholeStream(hubs[0], partner);
    const ids = patients.map(({ id }) => `patients/${id}`).sort();
    for (const other of [...others, partner]) {
      await eventually(async () => {
        const booked = await readStream(hubs[1], other);
        const created = booked.filter(({ eventType }) => eventType === 'patient.created');
        expect(created.filter(({ status }) => status === 'delivered')).toHaveLength(30);
      });
      // Settled by the books: nobody sends any more, so what was counted is all there will be.
      const arrived = arrivalsOf(other).filter(({ event }) => event.type === 'patient.created');
      const subjects = arrived.map(({ event }) => event.subject).sort();
      expect(subjects.filter((subject) => ids.includes(subject))).toEqual(ids);
    }
  });

  it('emit each reminder once', async () => {
    const practice = await aPractice(hubs[0]);
    const patient = await aPatient(hubs[0], practice);
    const clinic = { practiceId: practice.id, patientId: patient.id, accountId: '' };
    const due = await inMinutes(stage, 30 + 2 / 60);
    const booked = Array.from({ length: 10 }, (_, nth) => book(hubs[nth % 2]!, clinic, due));
    const expected = (await Promise.all(booked)).map(({ id }) => `appointments/${id}`).sort();
    const reminders = () =>
      arrivalsOf(partner).filter(({ event }) => event.type === 'appointment.reminder_due');
    await eventually(() => expect(reminders()).toHaveLength(expected.length));
    const events = await expectWholeStream(hubs[1], partner);
    const emitted = events.filter(({ type }) => type === 'appointment.reminder_due');
    expect(emitted.map(({ subject }) => subject).sort()).toEqual(expected);
    expect(
      reminders()
        .map(({ event }) => event.subject)
        .sort(),
    ).toEqual(expected);
  });

  it('see an endpoint made on the other with the very next fact', async () => {
    const practice = await aPractice(hubs[0]);
    for (let round = 0; round < 6; round += 1) {
      const [one, other] = round % 2 === 0 ? hubs : [hubs[1], hubs[0]];
      const fresh = await subscribe(one, receiver, `/fresh-${round}`, {
        eventTypes: ['patient.created'],
        practiceIds: [practice.id],
      });
      const patient = await aPatient(other, practice);
      const first = await receiver.waitFor(({ path }) => path === fresh.path);
      expect(first.event).toMatchObject({ hubsequence: '1', subject: `patients/${patient.id}` });
    }
  });

  // Last, since one of them is gone afterwards.
  it('take over from one that is killed', async () => {
    const others = await Promise.all(
      Array.from({ length: 4 }, (_, nth) => subscribe(hubs[nth % 2]!, receiver, `/left-${nth}`)),
    );
    const practices = await Promise.all(hubs.map((hub) => aPractice(hub)));
    await eventually(async () => expect(await shardsOfOwners()).toEqual([32, 32]));
    // The partners take their time, so that both hubs have something under way.
    receiver.respondWith((_, { path }) =>
      path.startsWith('/left') ? { status: 200, delayMs: 3_000 } : 200,
    );
    const make = (hub: HubProcess, count: number) =>
      Promise.all(Array.from({ length: count }, (_, nth) => aPatient(hub, practices[nth % 2]!)));
    const patients = [...(await make(hubs[0], 10)), ...(await make(hubs[1], 10))];
    await receiver.waitFor(({ path }) => path.startsWith('/left'));
    await hubs[0].kill();
    patients.push(...(await make(hubs[1], 10)));
    receiver.respondWith(() => 200);

    await eventually(async () => expect(await shardsOfOwners()).toEqual([64]));
    await expectWholeStream(hubs[1], partner, 40_000);
    const ids = patients.map(({ id }) => `patients/${id}`).sort();
    for (const other of others) {
      const booked = await eventually(async () => {
        const stream = await readStream(hubs[1], other);
        expect(stream.filter(({ status }) => status === 'delivered')).toHaveLength(60);
        return stream;
      }, 40_000);
      expect(booked.map(({ sequence }) => sequence)).toEqual(booked.map((_, nth) => nth + 1));
      const subjects = new Set(arrivalsOf(other).map(({ event }) => event.subject));
      expect([...subjects].filter((subject) => subject.startsWith('patients/')).sort()).toEqual(
        ids,
      );
    }
  });
});
