import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { describeOnBothBuses } from '../support/buses.js';
import { eventually } from '../support/eventually.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { openHubStage, type HubProcess, type HubStage } from '../support/hub-process.js';
import { arrivalsOf, expectWholeStream, readStream, subscribe } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/** Where the machine was so slow that a second attempt failed too, the third comes after more than a minute. */
const patienceMs = 90_000;
jest.setTimeout(2 * patienceMs);

/*
 * kill -9 of the hub after it has answered and before it has delivered: what it answered for arrives all the same.
 */
describeOnBothBuses('a hub that is killed', (bus) => {
  let stage: HubStage;
  let hub: HubProcess;
  let receiver: WebhookReceiver;
  beforeEach(async () => {
    stage = await openHubStage(bus.settings());
    [hub, receiver] = await Promise.all([stage.startHub(), startWebhookReceiver()]);
  });
  afterEach(async () => {
    await stage?.close();
    await receiver?.close();
  });

  it('delivers after its next start what a partner had refused or not confirmed yet', async () => {
    const slow = await subscribe(hub, receiver, '/slow');
    const broken = await subscribe(hub, receiver, '/broken');
    receiver.respondWith((_, { path }) =>
      path === slow.path ? { status: 200, delayMs: 60_000 } : 503,
    );
    const patient = await aPatient(hub, await aPractice(hub));
    await receiver.waitForCount(4);
    await eventually(async () => {
      const recorded = await readStream(hub, broken);
      expect(recorded.map(({ status }) => status)).toEqual(['failed', 'failed']);
    });
    await hub.kill();

    receiver.respondWith(() => 200);
    const next = await stage.startHub();
    const events = await expectWholeStream(next, slow);
    await expectWholeStream(next, broken, patienceMs);
    expect(events.map(({ subject }) => subject)).toContain(`patients/${patient.id}`);
    // Twice: of the slow one the hub could not know that it had it already.
    for (const [partner, attempts] of [
      [slow, ['1', '1']],
      [broken, ['1', '2']],
    ] as const) {
      const times = arrivalsOf(partner).filter(({ event }) => event.id === events[0]!.id);
      expect(times.map(({ headers }) => headers['hub-attempt']).slice(0, 2)).toEqual(attempts);
    }
  });

  it('delivers after its next start what it had answered for and not sent yet', async () => {
    const partner = await subscribe(hub, receiver);
    const practices = await Promise.all(Array.from({ length: 4 }, () => aPractice(hub)));
    const answered: string[] = [];
    // Killed while most of them are somewhere between the answer and the partner.
    const requests = Array.from({ length: 40 }, async (_, nth) => {
      const { id } = await aPatient(hub, practices[nth % 4]!);
      answered.push(id);
      if (answered.length === 25) await hub.kill();
    });
    await Promise.allSettled(requests);
    expect(answered.length).toBeGreaterThanOrEqual(25);
    expect(answered.length).toBeLessThan(40);
    const early = arrivalsOf(partner).length;

    const next = await stage.startHub();
    const events = await expectWholeStream(next, partner);
    const created = events.filter(({ type }) => type === 'patient.created');
    expect(created.map(({ data }) => data.patientId)).toEqual(expect.arrayContaining(answered));
    expect(arrivalsOf(partner).length).toBeGreaterThan(early);
    // A fact and its event are one: what was cut off before its answer is there whole or not at all.
    const { rows } = await stage.database.query('select id from patients');
    expect(created.map(({ data }) => data.patientId).sort()).toEqual(
      rows.map(({ id }) => id).sort(),
    );
  });
});
