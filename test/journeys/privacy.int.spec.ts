import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { describeOnBothBuses } from '../support/buses.js';
import { eventually } from '../support/eventually.js';
import { act, book, inMinutes, patch } from '../support/factories-appointments.js';
import { anAnimal, anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { openHubStage, type HubProcess, type HubStage } from '../support/hub-process.js';
import { readStream, subscribe } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';
import { secretsOf } from '../support/sealed.js';

/** Stands in every field that tells of a person, and in nothing else. */
const marker = 'Zaphod';
const phone = '+1 555 942 7726';
const birthDate = '1987-11-23';

const person = {
  givenName: marker,
  familyName: `${marker}-son`,
  email: `${marker}@example.com`,
  phone,
};
const externalIds = [{ system: 'old-chart', value: `chart-${marker}` }];

/*
 * What a hub writes about its work carries ids: it is read by people who may not know whose appointment it is.
 */
describeOnBothBuses('what a hub writes about its work', (bus) => {
  let stage: HubStage;
  let hub: HubProcess;
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    stage = await openHubStage({ ...bus.settings(), HUB_LOG_LEVEL: 'trace' });
    [hub, receiver] = await Promise.all([stage.startHub(), startWebhookReceiver()]);
  });
  afterAll(async () => {
    await stage?.close();
    await receiver?.close();
  });

  /** Facts of every kind, with all that can be said of the people in them. @returns what must not show up. */
  async function live(practice: any): Promise<void> {
    const patient = await aPatient(hub, practice, { ...person, birthDate, externalIds });
    const animal = await anAnimal(hub, practice, { givenName: marker, owner: person });
    const clinic = { practiceId: practice.id, patientId: patient.id, accountId: '' };
    for (const patientId of [patient.id, animal.id]) {
      const visit = await book(hub, { ...clinic, patientId }, await inMinutes(stage, 30 + 1 / 60), {
        note: `${marker} fears needles`,
        type: { name: `Call ${marker}` },
        providers: [{ name: `Dr. ${marker}` }],
        externalIds: [{ system: 'book', value: `${marker}-${patientId}` }],
      });
      await act(hub, visit, 'cancel', { reason: `${marker} is ill` });
    }
    await book(hub, clinic, await inMinutes(stage, 30 + 1 / 60), { note: marker });
    const about = { patientId: patient.id, description: `${marker}'s crown` };
    await anEntry(hub, practice, 'charges', about);
    const payer = { type: 'other', name: marker };
    const payment = await anEntry(hub, practice, 'payments', { ...about, payer, claimId: marker });
    const path = `/v1/practices/${practice.id}`;
    await hub.api('POST', `${path}/payments/${payment.id}/refund`, { reason: marker });
    await patch(hub, `${path}/patients/${patient.id}`, { familyName: `${marker}-smith` });
  }

  /** Requests that are refused, and one each whose failure is the hub's own or the database's. */
  async function failures(practice: any): Promise<unknown[]> {
    const path = `/v1/practices/${practice.id}`;
    const refused = await Promise.all([
      hub.api('POST', `${path}/patients`, { kind: 'human', ...person, externalIds }),
      hub.api('POST', `${path}/patients`, { kind: marker, ...person, birthDate: phone }),
      hub.api('POST', `${path}/patients`, `{"givenName":"${marker}`),
      hub.api('POST', `${path}/patients`, { kind: 'human', givenName: `${marker}\u0000` }),
      hub.api('POST', `${path}/accounts`, { holder: { ...person, nickName: marker } }),
      hub.api('GET', `${path}/patients?externalId=${marker}`),
      hub.api('GET', `${path}/patients?after=${marker}`),
      hub.api('GET', `${path}/patients/${marker}`),
      hub.api('GET', `/v1/${marker}`),
      hub.api('POST', `${path}/patients`, { kind: 'human', ...person }, { authorization: marker }),
    ]);
    expect(refused.map(({ status }) => status)).toEqual(
      expect.arrayContaining([400, 401, 404, 409, 422]),
    );
    // As a mistake of the hub's own: the database's complaint quotes the whole row.
    const mistaken = `${marker}-mistaken`;
    await stage.database.query(
      `alter table patients add constraint mistake check (family_name is distinct from '${mistaken}')`,
    );
    const mistake = { kind: 'human', ...person, familyName: mistaken };
    refused.push(await hub.api('POST', `${path}/patients`, mistake));
    expect(refused.at(-1)!.status).toBe(500);
    // Cut off in the middle of it, again and again until a request was on its way.
    await eventually(async () => {
      const cut = Array.from({ length: 8 }, () =>
        hub.api('POST', `${path}/patients`, { kind: 'human', ...person }),
      );
      await stage.database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name like 'practice-event-hub%'`,
      );
      expect((await Promise.all(cut)).map(({ status }) => status)).toContain(503);
    });
    return refused.filter(({ status }) => status !== 404).map(({ body }) => body);
  }

  it('names nobody and no secret', async () => {
    receiver.respondWith(() => ({ status: 500, body: `{"error":"${marker}"}` }));
    const practice = await aPractice(hub);
    const broken = await subscribe(hub, receiver, `/${uuidv7()}`);
    const gone = await hub.api('POST', '/v1/endpoints', {
      url: `http://127.0.0.1:9/${marker}`,
      eventTypes: ['*'],
    });
    await live(practice);
    // Not as a webhook: the circuit of an endpoint that always fails opens, so that most of its deliveries wait.
    await eventually(async () => {
      const due = await hub.api('GET', '/v1/events?eventTypes=appointment.reminder_due');
      expect(due.body.data).not.toEqual([]);
    });
    const problems = await failures(practice);
    const about = `/v1/endpoints/${broken.id}`;
    await hub.api('POST', `${about}/secret/rotate`, { kind: 'ed25519' });
    expect((await hub.api('POST', `${about}/test`, {})).body.response).toContain(marker);
    problems.push((await hub.api('POST', `${about}/verify`)).body);
    const attempts = await eventually(async () => {
      const stream = await readStream(hub, broken);
      expect(stream.length).toBeGreaterThan(10);
      expect(stream.filter(({ attempts }) => attempts > 0)).not.toEqual([]);
      return [stream, await readStream(hub, gone.body)];
    });
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    const health = (await hub.api('GET', '/health/ready')).body;
    const keys = await secretsOf(stage.database);
    expect(keys).toHaveLength(3);
    await hub.stop();

    // It did say something, of its failures too.
    expect(hub.output()).toMatch(/"code":"temporarily_unavailable"/);
    expect(hub.output()).toMatch(/"code":"internal_error"/);
    expect(metrics).toMatch(/^# HELP /m);
    const told = [...attempts.flat(), ...problems, health].map((body) => JSON.stringify(body));
    const lines = [hub.output(), metrics, ...told].join('\n').toLowerCase().split('\n');
    const secrets = [
      hub.key,
      ...keys.map((secret) => secret.slice(secret.indexOf('_') + 1)),
      new URL(stage.databaseUrl).password,
    ];
    for (const hidden of [marker, phone, birthDate, ...secrets]) {
      expect(lines.filter((line) => line.includes(hidden.toLowerCase()))).toEqual([]);
    }
  });
});
