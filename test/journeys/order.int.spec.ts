import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { Transactions } from '../../src/database/transactions.js';
import { catalog } from '../../src/events/catalog/catalog.js';
import { Outbox } from '../../src/events/outbox/outbox.js';
import { describeOnBothBuses } from '../support/buses.js';
import { act, book, inMinutes, openClinic } from '../support/factories-appointments.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { expectWholeStream, readFeed, subscribe, type Subscriber } from '../support/streams.js';
import {
  startWebhookReceiver,
  type ReceivedEvent,
  type WebhookReceiver,
} from '../support/webhook-receiver.js';

describeOnBothBuses('the order of events', (bus) => {
  let hub: TestHub;
  let receiver: WebhookReceiver;
  let partner: Subscriber;
  beforeAll(async () => {
    [hub, receiver] = await Promise.all([
      startTestHub({ settings: bus.settings() }),
      startWebhookReceiver(),
    ]);
    partner = await subscribe(hub, receiver);
  });
  afterAll(() => Promise.all([hub?.close(), receiver?.close()]));

  /** Says an event in a transaction that stays open until `commit` is called. */
  async function openFact(): Promise<{ patientId: string; commit(): Promise<unknown> }> {
    const practice = await aPractice(hub);
    const patientId = uuidv7();
    let commit!: () => void;
    const mayCommit = new Promise<void>((resolve) => (commit = resolve));
    let committed!: Promise<unknown>;
    await new Promise<void>((resolve, reject) => {
      committed = hub.app.get(Transactions).run([practice.id], async (tx) => {
        await hub.app.get(Outbox).append(tx, { actor: 'operator', correlationId: 'a-journey' }, [
          {
            type: 'patient.created',
            practiceId: practice.id,
            subjectId: patientId,
            subjectVersion: 1,
            data: { ...catalog['patient.created'].example, patientId },
          },
        ]);
        resolve();
        await mayCommit;
      });
      committed.catch(reject);
    });
    return {
      patientId,
      commit: () => {
        commit();
        return committed;
      },
    };
  }

  it('keeps a place for a fact that commits late, for the feed and for webhooks', async () => {
    const start = (await hub.api('GET', '/v1/practices?limit=1')).headers.get('hub-position')!;
    const late = await openFact();
    const early = await aPatient(hub, await aPractice(hub));
    // The early one has a higher number and is committed; whoever showed it now would skip the late one.
    const page = await hub.api('GET', `/v1/events?after=${start}&wait=1`);
    expect(page.body.data).toEqual([]);
    expect(receiver.requests).toEqual([]);
    await late.commit();

    await expectWholeStream(hub, partner);
    const wanted = [`patients/${late.patientId}`, `patients/${early.id}`];
    const subjects = (events: ReceivedEvent[]): string[] =>
      events.map(({ subject }) => subject).filter((subject) => wanted.includes(subject));
    expect(subjects(await readFeed(hub, page.body.nextCursor))).toEqual(wanted);
  });

  it('is never inverted by writers that race for one subject', async () => {
    const clinic = await openClinic(hub);
    const appointment = await book(hub, clinic, await inMinutes(hub, 5_000));
    const path = `/v1/practices/${clinic.practiceId}/appointments/${appointment.id}`;
    const starts = await Promise.all(
      [6_000, 7_000, 8_000].map((minutes) => inMinutes(hub, minutes)),
    );
    // With an Idempotency-Key a row is written in the same transaction, and often first.
    const key = () => ({ 'idempotency-key': uuidv7() });
    const changes = [
      async (round: number) => {
        const etag = (await hub.api('GET', path)).headers.get('etag')!;
        return hub.api('PATCH', path, { note: `note ${round}` }, { 'if-match': etag });
      },
      () => act(hub, appointment, 'confirm', {}, key()),
      () => act(hub, appointment, 'unconfirm', {}, key()),
      (round: number) => {
        const start = starts[round % 3]!;
        const end = new Date(start.getTime() + 30 * 60_000);
        return act(hub, appointment, 'reschedule', { start, end }, key());
      },
    ];
    let succeeded = 0;
    const writer = async (_: unknown, nth: number) => {
      for (let round = 0; round < 12; round += 1) {
        const { status } = await changes[(nth + round) % changes.length]!(nth + round);
        // Losing a race is an answer too; what matters is the order of those that won.
        expect([200, 409, 412]).toContain(status);
        if (status === 200) succeeded += 1;
      }
    };
    await Promise.all(Array.from({ length: 8 }, writer));
    expect(succeeded).toBeGreaterThan(20);

    const events = await expectWholeStream(hub, partner);
    const versions = (list: ReceivedEvent[]): number[] =>
      list
        .filter(({ subject }) => subject === `appointments/${appointment.id}`)
        .map(({ subjectversion }) => subjectversion);
    const inFeed = versions(events);
    expect(inFeed.length).toBeGreaterThan(20);
    expect(inFeed).toEqual([...new Set(inFeed)].sort((a, b) => a - b));
    // By the numbers the partner got, whatever the order of arrival.
    const bySequence = new Map(
      receiver.requests.map(({ event }) => [Number(event.hubsequence), event]),
    );
    const arrived = [...bySequence].sort(([a], [b]) => a - b).map(([, event]) => event);
    expect(versions(arrived)).toEqual(inFeed);
  });
});
