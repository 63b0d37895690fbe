import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import type { Broker } from '../../scripts/kafka/broker.js';
import { book, inMinutes } from '../support/factories-appointments.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { eventually } from '../support/eventually.js';
import { openHubStage, type HubProcess, type HubStage } from '../support/hub-process.js';
import { describeWithKafka, startOwnBroker, uniqueTopic } from '../support/kafka.js';
import { arrivalsOf, expectWholeStream, subscribe, type Subscriber } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/** A broker that is back, a group that has found its coordinator again, on a busy machine. */
const patienceMs = 90_000;
jest.setTimeout(3 * patienceMs);

describeWithKafka(
  'while Kafka is down',
  () => {
    let broker: Broker;
    let stage: HubStage;
    let receiver: WebhookReceiver;
    beforeAll(async () => {
      broker = await startOwnBroker();
    }, 120_000);
    afterAll(() => broker?.stop());
    beforeEach(async () => {
      receiver = await startWebhookReceiver();
      stage = await openHubStage({
        KAFKA_BROKERS: broker.brokers,
        HUB_KAFKA_TOPIC: uniqueTopic('outage'),
        HUB_KAFKA_PARTITIONS: '4',
      });
    });
    afterEach(async () => {
      await stage?.close();
      await receiver?.close();
    });

    /** Ten facts of several kinds, and a reminder that falls due meanwhile. */
    async function tenFacts(hub: HubProcess): Promise<void> {
      const practices = [await aPractice(hub), await aPractice(hub, { kind: 'medical' })];
      for (const practice of practices) {
        const patient = await aPatient(hub, practice);
        const clinic = { practiceId: practice.id, patientId: patient.id, accountId: '' };
        await book(hub, clinic, await inMinutes(stage, 30 + 1 / 60));
        await book(hub, clinic, await inMinutes(stage, 600));
      }
    }

    async function expectDegraded(hub: HubProcess): Promise<void> {
      await eventually(async () => {
        const { status, body } = await hub.api('GET', '/health/ready');
        expect({ status, body }).toMatchObject({
          // The hub can do its work: whoever asks whether it is ready to take facts is told so.
          status: 200,
          body: { status: 'degraded', database: { up: true }, bus: { bus: 'kafka', up: false } },
        });
        expect(body.bus.detail).toMatch(/relay|consume/);
      });
    }

    async function expectTen(hub: HubProcess, partner: Subscriber): Promise<void> {
      const events = await expectWholeStream(hub, partner, patienceMs);
      const count = (type: string) => events.filter((event) => event.type === type).length;
      expect({
        accounts: count('account.created'),
        patients: count('patient.created'),
        appointments: count('appointment.scheduled'),
        reminders: count('appointment.reminder_due'),
      }).toEqual({ accounts: 2, patients: 2, appointments: 4, reminders: 2 });
      expect(events).toHaveLength(10);
      expect(arrivalsOf(partner)).toHaveLength(10);
      await eventually(async () => {
        const { body } = await hub.api('GET', '/health/ready');
        expect(body).toMatchObject({ status: 'up', bus: { up: true, relayLagSeconds: 0 } });
      }, patienceMs);
    }

    it('a running hub takes ten facts, says that it is degraded, and delivers all ten afterwards', async () => {
      const hub = await stage.startHub();
      const partner = await subscribe(hub, receiver);
      await broker.kill();
      await tenFacts(hub);
      await expectDegraded(hub);
      expect(receiver.requests).toEqual([]);
      await broker.restart();
      await expectTen(hub, partner);
    });

    it('a hub starts all the same, and makes up for it when Kafka comes', async () => {
      await broker.kill();
      const hub = await stage.startHub();
      const partner = await subscribe(hub, receiver);
      await tenFacts(hub);
      await expectDegraded(hub);
      await broker.restart();
      await expectTen(hub, partner);
    });
  },
  { own: true },
);
