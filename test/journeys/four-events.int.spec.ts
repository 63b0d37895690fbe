import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { CloudEvent } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import { describeOnBothBuses } from '../support/buses.js';
import { book, inMinutes } from '../support/factories-appointments.js';
import { anAnimal, anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { subscribe, type Subscriber } from '../support/streams.js';
import {
  startWebhookReceiver,
  type ReceivedWebhook,
  type WebhookReceiver,
} from '../support/webhook-receiver.js';

/*
 * The hub's promise to a partner: a fact becomes true by a REST call or the clock, and the partner's webhook receives
 * it, signed. Each of the four events the hub exists for, in a dental and a veterinary practice, over both buses.
 */

/** What the partner expects of the facts that were made. */
interface Story {
  practice: any;
  patient: any;
  appointment: any;
  payment: any;
}

const types = {
  'patient.created': ({ patient }: Story) => ({
    subject: `patients/${patient.id}`,
    actor: 'operator',
    data: { patientId: patient.id, accountId: patient.accountId, kind: patient.kind },
  }),
  'appointment.scheduled': ({ patient, appointment }: Story) => ({
    subject: `appointments/${appointment.id}`,
    actor: 'operator',
    data: {
      appointmentId: appointment.id,
      patientId: patient.id,
      accountId: patient.accountId,
      sequence: 0,
      status: 'booked',
      start: appointment.start,
      end: appointment.end,
      timeZone: appointment.timeZone,
      localStart: appointment.localStart,
    },
  }),
  'payment.posted': ({ patient, payment }: Story) => ({
    subject: `accounts/${patient.accountId}`,
    actor: 'operator',
    data: {
      entryId: payment.id,
      accountId: patient.accountId,
      patientId: patient.id,
      amount: 7_500,
      currency: 'USD',
      method: 'card',
      balanceAfter: 2_500,
    },
  }),
  'appointment.reminder_due': ({ patient, appointment }: Story) => ({
    subject: `appointments/${appointment.id}`,
    actor: 'system/reminders',
    data: {
      appointmentId: appointment.id,
      patientId: patient.id,
      leadMinutes: 30,
      dueAt: new Date(Date.parse(appointment.start) - 30 * 60_000).toISOString(),
      start: appointment.start,
    },
  }),
} as const;

describeOnBothBuses('the four events reach a partner', (bus) => {
  let hub: TestHub;
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    [hub, receiver] = await Promise.all([
      startTestHub({ settings: bus.settings() }),
      startWebhookReceiver(),
    ]);
    const { body } = await hub.api('GET', '/health/ready');
    expect(body.bus.bus).toBe(bus.kind);
  });
  afterAll(() => Promise.all([hub?.close(), receiver?.close()]));

  describe.each(['dental', 'veterinary'] as const)('of a %s practice', (kind) => {
    let partner: Subscriber;
    let story: Story;
    let arrived: Record<string, ReceivedWebhook>;

    beforeAll(async () => {
      const practice = await aPractice(hub, { kind });
      partner = await subscribe(hub, receiver, `/${kind}`, {
        practiceIds: [practice.id],
        eventTypes: Object.keys(types),
      });
      story = await live(practice);
      arrived = {};
      for (const type of Object.keys(types)) {
        arrived[type] = await receiver.waitFor(
          ({ event, path }) => event.type === type && path === partner.path,
        );
      }
    });

    /** The reminder falls due a good second after the booking. */
    async function live(practice: any): Promise<Story> {
      const patient = await (kind === 'veterinary' ? anAnimal : aPatient)(hub, practice);
      const clinic = { practiceId: practice.id, patientId: patient.id, accountId: '' };
      const appointment = await book(hub, clinic, await inMinutes(hub, 30 + 1.5 / 60));
      await anEntry(hub, practice, 'charges', { patientId: patient.id });
      const payment = { patientId: patient.id, amount: 7_500 };
      return {
        practice,
        patient,
        appointment,
        payment: await anEntry(hub, practice, 'payments', payment),
      };
    }

    it.each(Object.entries(types))('%s says what became true', (type, expected) => {
      expect(arrived[type]!.event).toMatchObject({
        type,
        source: `/practices/${story.practice.id}`,
        practiceid: story.practice.id,
        ...expected(story),
      });
    });

    it.each(Object.keys(types))('%s verifies, and not once a byte of it is changed', (type) => {
      const { verified, headers, rawBody } = arrived[type]!;
      expect(verified).toBe(true);
      const tampered = rawBody.replace('"hubsequence":"', '"hubsequence":"1');
      expect(tampered).not.toBe(rawBody);
      const webhook = new Webhook(partner.secret);
      expect(() => webhook.verify(tampered, headers)).toThrow('No matching signature found');
      const later = { ...headers, 'webhook-timestamp': String(+headers['webhook-timestamp']! + 1) };
      expect(() => webhook.verify(rawBody, later)).toThrow('No matching signature found');
    });

    it.each(Object.keys(types))('%s is a CloudEvent', (type) => {
      const { event, headers, rawBody } = arrived[type]!;
      expect(headers['content-type']).toBe('application/json');
      expect(headers['webhook-id']).toBe(event.id);
      const parsed = new CloudEvent(JSON.parse(rawBody), true);
      expect(parsed.validate()).toBe(true);
      expect(parsed).toMatchObject({ id: event.id, type, specversion: '1.0', data: event.data });
    });

    it.each(Object.keys(types))('%s matches the schema it names', async (type) => {
      const { dataschema, data } = arrived[type]!.event;
      expect(dataschema).toBe(`${hub.url}/v1/event-types/${type}/versions/1/schema?mode=full`);
      const { status, body } = await hub.api('GET', dataschema);
      expect(status).toBe(200);
      const ajv = new Ajv2020({ strict: true, allErrors: true });
      addFormats.default(ajv);
      const validate = ajv.compile(body);
      validate(data);
      expect(validate.errors).toBe(null);
      // The schema does say something.
      expect(validate({})).toBe(false);
    });

    it('carries its place in the stream inside what is signed', async () => {
      const events = Object.values(arrived).map(({ event }) => event);
      expect(events.map(({ hubendpoint }) => hubendpoint)).toEqual(events.map(() => partner.id));
      const sequences = events.map(({ hubsequence }) => Number(hubsequence)).sort((a, b) => a - b);
      expect(sequences).toEqual([1, 2, 3, 4]);
      for (const { headers, event } of Object.values(arrived)) {
        expect(headers['hub-sequence']).toBe(event.hubsequence);
        const { hubendpoint: _, hubsequence: __, hubposition, ...said } = event;
        expect((await hub.api('GET', `/v1/events/${event.id}`)).body).toEqual(said);
        const page = await hub.api('GET', `/v1/events?after=${hubposition}&limit=1`);
        expect(page.body.data[0]?.id).not.toBe(event.id);
      }
    });

    it('comes no earlier than it is due, and soon after', () => {
      const { event, receivedAt } = arrived['appointment.reminder_due']!;
      expect(receivedAt.getTime()).toBeGreaterThanOrEqual(Date.parse(event.data.dueAt));
      expect(event.data.lateBySeconds ?? 0).toBeLessThan(10);
    });
  });
});
