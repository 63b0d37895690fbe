import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { OpenAPIObject } from '@nestjs/swagger';
import { anApplication } from '../support/applications.js';
import { describeOnBothBuses } from '../support/buses.js';
import { eventually } from '../support/eventually.js';
import { book } from '../support/factories-appointments.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { openHubStage, type HubProcess, type HubStage } from '../support/hub-process.js';
import { markedBodies, neededBesides, type MarkedBody } from '../support/marked-bodies.js';
import { aGrant, aPartner } from '../support/partners.js';
import { runCommand } from '../support/run-command.js';
import { testMasterKey } from '../support/sealed.js';
import { tablesWith } from '../support/search-tables.js';
import { pathOf } from '../support/things.js';
import { textsOfTopic, type TopicText } from '../support/topic-texts.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * A marker in every free text that the API takes, generated from its document, at the most that the hub logs; then a
 * search of all that it has written for others than whom it is about: its log, metrics and health, its tables, what it
 * says of events that nobody could handle, and over Kafka its topic.
 */

jest.setTimeout(180_000);

const marker = 'Zaphod';
/** Whoever is named by Hub-On-Behalf-Of is on record with the events and in the audit, and nowhere else. */
const human = 'Trillian';

/** Tables that are about people, or hold what their owner wrote of a thing: the only ones that may hold the marker. */
const mayHold = [
  'accounts',
  'appointments',
  'external_ids',
  'ledger_entries',
  'patients',
  // Names and notes of things.
  'api_keys',
  'applications',
  'endpoints',
  'grants',
  'partners',
  'practices',
];
const mayHoldHuman = ['audit_entries', 'disclosures', 'events'];

/**
 * What the topic may tell besides ids, numbers and times, by family: names of staff, rooms and kinds of animals, and
 * other systems' numbers, which identify nobody without those systems. Said here, not read from the catalogue: a mark
 * that is changed there by mistake is to be noticed.
 */
const topicMayTell: Record<string, readonly string[]> = {
  appointment: ['type', 'providers', 'operatory', 'externalIds'],
  patient: ['species', 'breed'],
  charge: ['externalIds'],
  payment: ['externalIds', 'claimId', 'remittanceId'],
  adjustment: ['externalIds'],
  // What a practice and a partner have agreed.
  grant: ['agreementReference', 'purpose'],
};

/** What the fan-out will not take. */
const unhandleable = 'charge.posted';

let stage: HubStage;
let hub: HubProcess;
let receiver: WebhookReceiver;

async function things(): Promise<Record<string, string>> {
  const practice = await aPractice(hub);
  const patient = await aPatient(hub, practice);
  const clinic = { practiceId: practice.id, patientId: patient.id, accountId: patient.accountId };
  const target = { url: `${receiver.url}/plain`, eventTypes: ['patient.*'] };
  const partner = await aPartner(hub);
  return {
    practiceId: practice.id,
    patientId: patient.id,
    accountId: patient.accountId,
    appointmentId: (await book(hub, clinic, '2031-03-10T15:30:00Z')).id,
    paymentId: (await anEntry(hub, practice, 'payments', { patientId: patient.id })).id,
    secondPaymentId: (await anEntry(hub, practice, 'payments', { patientId: patient.id })).id,
    endpointId: (await hub.api('POST', '/v1/endpoints', target)).body.id,
    applicationId: (await anApplication(hub, [practice])).id,
    partnerId: partner.id,
    grantId: (await aGrant(hub, practice, partner)).id,
  };
}

/**
 * The database refuses an event's delivery with a message that quotes people, as the message of a broken constraint
 * does. Whoever consumes the event puts it aside, and again when it is driven once more.
 */
async function refuseDeliveries(): Promise<void> {
  await stage.database.query(
    `create function refuse() returns trigger language plpgsql as $$
     begin raise exception '${marker} is not to be delivered' using detail = 'of ${human}, born 1987-11-23'; end $$`,
  );
  await stage.database.query(
    `create trigger refuse before insert on deliveries for each row
     when (new.event_type = '${unhandleable}') execute function refuse()`,
  );
}

/** The rows of what was put aside, as text, once it has failed again. */
async function parkedAgain(): Promise<string[]> {
  const read = async () => {
    const { rows } = await stage.database.query<{ text: string; reason: string; type: string }>(
      `select p::text as text, p.reason, e.type from parked_events as p join events as e on e.id = p.event_id`,
    );
    expect(rows).toMatchObject([{ type: unhandleable }]);
    return rows;
  };
  await eventually(read);
  expect((await parkedCommand('redrive')).code).toBe(0);
  return eventually(async () => {
    const rows = await read();
    expect(rows[0]!.reason).toMatch(/P0001.*again/);
    return rows.map(({ text }) => text);
  });
}

const parkedCommand = (command: string) =>
  runCommand('parked', [command], {
    DATABASE_URL: stage.databaseUrl,
    HUB_MASTER_KEY: testMasterKey,
  });

/** Makes a request for each marked body, with what it needs besides. */
async function sendMarked(known: Record<string, string>): Promise<void> {
  const document = (await (await fetch(`${hub.url}/openapi.json`)).json()) as OpenAPIObject;
  // Endpoints first: they hear of what happens from then on.
  const isEndpoint = ({ template }: MarkedBody) => Number(template.startsWith('/v1/endpoints'));
  const bodies = markedBodies(document, marker).sort((a, b) => isEndpoint(b) - isEndpoint(a));
  expect(bodies.length).toBeGreaterThan(15);
  const needed = neededBesides(known, marker, receiver.url);
  const other = (template: string) => (parameter: string) =>
    parameter === 'paymentId' && template.endsWith('/reverse') ? known.secondPaymentId : undefined;
  for (const { method, template, body } of bodies) {
    const name = `${method} ${template}`;
    for (const more of needed[name] ?? [{}]) {
      const path = pathOf(template, known, other(template));
      const headers = {
        'if-match': '*',
        'hub-on-behalf-of': human,
        'idempotency-key': crypto.randomUUID(),
      };
      const answer = await hub.api(method, path, { ...body, ...more }, headers);
      // Whoever adds an operation says in `neededBesides` what it wants besides texts.
      expect({ name, status: answer.status, why: answer.body.errors ?? answer.body.code }).toEqual({
        name,
        status: answer.status,
        why: undefined,
      });
    }
  }
}

/** Each of the four endpoints has failed in its own way. */
async function eachEndpointFailed(): Promise<void> {
  const endpoints = (await hub.api('GET', '/v1/endpoints')).body.data;
  expect(endpoints).toHaveLength(4);
  await eventually(async () => {
    const { rows } = await stage.database.query(
      `select distinct endpoint_id from deliveries where status in ('failed', 'dead')`,
    );
    expect(rows.length).toBeGreaterThanOrEqual(4);
  });
}

/** The records of all that has happened so far. */
async function topicTexts({ KAFKA_BROKERS, HUB_KAFKA_TOPIC }: Record<string, string>) {
  const { rows } = await stage.database.query<{ id: string }>('select id from events');
  return eventually(async () => {
    const texts = await textsOfTopic(KAFKA_BROKERS!, HUB_KAFKA_TOPIC!, topicMayTell);
    expect(texts.map(({ id }) => id)).toEqual(expect.arrayContaining(rows.map(({ id }) => id)));
    return texts;
  });
}

describeOnBothBuses('a marker in every free text', (bus) => {
  let settings: Record<string, string>;
  beforeAll(async () => {
    settings = bus.settings();
    stage = await openHubStage({ ...settings, HUB_LOG_LEVEL: 'trace', HUB_API_RATE_LIMIT: '0' });
    [hub, receiver] = await Promise.all([stage.startHub(), startWebhookReceiver()]);
  });
  afterAll(async () => {
    await stage?.close();
    await receiver?.close();
  });

  it('shows up where it belongs, and nowhere else', async () => {
    // What a receiver answers may be what it was sent.
    receiver.respondWith((_, { rawBody }) => ({ status: 500, body: rawBody }));
    const known = await things();
    await refuseDeliveries();
    await sendMarked(known);
    await failures(known);
    await eachEndpointFailed();
    const parked = await parkedAgain();
    const listed = (await parkedCommand('list')).output;
    expect(listed).toContain(unhandleable);
    const topic = bus.kind === 'kafka' ? await topicTexts(settings) : [];
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    const health = await (await fetch(`${hub.url}/health/ready`)).text();
    expect(JSON.parse(health)).toMatchObject({ parkedEvents: 1 });
    const [held, heldHuman] = [await tablesWith(stage, [marker]), await tablesWith(stage, [human])];
    await hub.stop();

    expect(hub.output()).toMatch(/"level":10/);
    const texts = [hub.output(), metrics, health, listed, ...parked];
    const lines = [...texts, ...topic.map(({ text }) => text)].join('\n').toLowerCase().split('\n');
    for (const text of [marker, human, '1987-11-23']) {
      expect(lines.filter((line) => line.includes(text.toLowerCase()))).toEqual([]);
    }
    if (bus.kind === 'kafka') expectWhatMayBeTold(topic);
    expect(held).toContain('patients');
    expect(held.filter((table) => !mayHold.includes(table))).toEqual([]);
    expect(heldHuman).toEqual(expect.arrayContaining(['audit_entries', 'events']));
    expect(heldHuman.filter((table) => !mayHoldHuman.includes(table))).toEqual([]);
  });
});

/** Records are of marked facts and say what they may: nothing was searched in vain. */
function expectWhatMayBeTold(topic: readonly TopicText[]): void {
  const told = topic
    .map(({ data }) => JSON.stringify(data))
    .filter((data) => data.includes(marker));
  for (const field of new Set(Object.values(topicMayTell).flat())) {
    expect({ field, told: told.some((data) => data.includes(`"${field}":`)) }).toEqual({
      field,
      told: true,
    });
  }
}

/** Whatever is refused, and what breaks: the answer tells its caller where, and nobody what. */
async function failures(known: Record<string, string>): Promise<void> {
  const patients = pathOf('/v1/practices/{practiceId}/patients', known);
  const body = { kind: 'human', givenName: marker };
  const answers = [
    await hub.api('POST', patients, { ...body, kind: marker, birthDate: marker, [marker]: 1 }),
    await hub.api('POST', patients, `{"givenName":"${marker}`),
    await hub.api('GET', `${patients}?externalId=${marker}&after=${marker}`),
    await hub.api('GET', `${patients}/${marker}?${marker}=${marker}`),
    await hub.api('GET', `/v1/${marker}`),
    await hub.api('POST', patients, body, { authorization: `Bearer ${marker}` }),
    await hub.api('POST', patients, body, { 'hub-on-behalf-of': `${marker}%00` }),
    await hub.api('POST', patients, body, {
      'if-match': marker,
      'idempotency-key': `${marker}é`,
    }),
  ];
  for (const { status } of answers) expect(status).toBeGreaterThanOrEqual(400);
  // A mistake of the hub's own: the database's complaint quotes the whole row.
  await stage.database.query(
    `alter table patients add constraint mistake check (family_name is distinct from '${marker}-mistaken')`,
  );
  const mistake = await hub.api('POST', patients, { ...body, familyName: `${marker}-mistaken` });
  expect(mistake.status).toBe(500);
  expect(JSON.stringify(mistake.body)).not.toContain(marker);
  await stage.database.query('alter table patients drop constraint mistake');
}
