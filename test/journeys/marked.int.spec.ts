import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { OpenAPIObject } from '@nestjs/swagger';
import { anApplication } from '../support/applications.js';
import { eventually } from '../support/eventually.js';
import { book } from '../support/factories-appointments.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { openHubStage, type HubProcess, type HubStage } from '../support/hub-process.js';
import { markedBodies, type MarkedBody } from '../support/marked-bodies.js';
import { aGrant, aPartner, inDays } from '../support/partners.js';
import { pathOf } from '../support/things.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * A marker in every free text that the API takes, generated from its document, at the most that the hub logs; then a
 * search of all that it has written for others than whom it is about.
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

let stage: HubStage;
let hub: HubProcess;
let receiver: WebhookReceiver;

beforeAll(async () => {
  stage = await openHubStage({ HUB_LOG_LEVEL: 'trace', HUB_API_RATE_LIMIT: '0' });
  [hub, receiver] = await Promise.all([stage.startHub(), startWebhookReceiver()]);
});
afterAll(async () => {
  await stage?.close();
  await receiver?.close();
});

/** What a body needs besides texts; where an operation takes one of two, both. `undefined` takes a field away. */
function needs(known: Record<string, string>): Record<string, object[]> {
  const { patientId, partnerId } = known;
  const time = { start: '2032-03-10T15:30:00Z', end: '2032-03-10T16:00:00Z' };
  const money = { patientId, amount: 1000, currency: 'USD' };
  const practice = '/v1/practices/{practiceId}';
  return {
    'POST /v1/practices': [{ kind: 'dental', timeZone: 'UTC', currency: 'USD', reminderRules: [] }],
    [`PATCH ${practice}`]: [{ reminderRules: undefined, externalIds: undefined }],
    'POST /v1/applications': [{ practiceIds: [known.practiceId] }],
    'POST /v1/endpoints': [
      { url: `${receiver.url}/${marker}`, eventTypes: ['*'], payloadMode: 'full' },
      { url: `https://${marker}.invalid/hook`, eventTypes: ['*'] },
      { url: `http://127.0.0.1:9/${marker}`, eventTypes: ['*'] },
    ],
    [`POST ${practice}/patients`]: [
      {
        kind: 'human',
        birthDate: '1987-11-23',
        owner: undefined,
        species: undefined,
        breed: undefined,
      },
      { kind: 'animal', externalIds: undefined },
    ],
    [`PATCH ${practice}/patients/{patientId}`]: [
      { species: undefined, breed: undefined, externalIds: undefined },
    ],
    [`POST ${practice}/accounts`]: [{ externalIds: undefined }],
    [`POST ${practice}/appointments`]: [{ patientId, ...time }],
    [`PATCH ${practice}/appointments/{appointmentId}`]: [{ externalIds: undefined }],
    [`POST ${practice}/appointments/{appointmentId}/reschedule`]: [time],
    [`POST ${practice}/charges`]: [money],
    [`POST ${practice}/payments`]: [
      { ...money, method: 'cash', payer: { type: 'other', name: marker }, externalIds: undefined },
    ],
    [`POST ${practice}/adjustments`]: [{ ...money, kind: 'credit', externalIds: undefined }],
    [`POST ${practice}/payments/{paymentId}/refund`]: [{ amount: 1 }],
    [`POST ${practice}/grants`]: [
      {
        partnerId,
        eventTypes: ['*'],
        payloadMode: 'full',
        readMode: 'full',
        expiresAt: inDays(30),
      },
    ],
  };
}

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

/** Tables and how many of their rows hold a text in any column. */
async function tablesWith(text: string): Promise<string[]> {
  const { rows } = await stage.database.query<{ name: string }>(
    `select c.relname as name from pg_class as c
     where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and not c.relispartition
       and (xpath('/row/n/text()', query_to_xml(format(
             'select count(*) as n from %I as t where t::text ilike %L', c.relname, '%' || $1 || '%'), false, true, '')))[1]::text::int > 0
     order by 1`,
    [text],
  );
  return rows.map(({ name }) => name);
}

it('shows up where it belongs, and nowhere else', async () => {
  // What a receiver answers may be what it was sent.
  receiver.respondWith((_, { rawBody }) => ({ status: 500, body: rawBody }));
  const document = (await (await fetch(`${hub.url}/openapi.json`)).json()) as OpenAPIObject;
  const known = await things();
  // Endpoints first: they hear of what happens from then on.
  const isEndpoint = ({ template }: MarkedBody) => Number(template.startsWith('/v1/endpoints'));
  const bodies = markedBodies(document, marker).sort((a, b) => isEndpoint(b) - isEndpoint(a));
  expect(bodies.length).toBeGreaterThan(15);
  const needed = needs(known);
  for (const { method, template, body } of bodies) {
    const name = `${method} ${template}`;
    for (const more of needed[name] ?? [{}]) {
      const answer = await hub.api(
        method,
        pathOf(template, known, (parameter) =>
          parameter === 'paymentId' && template.endsWith('/reverse')
            ? known.secondPaymentId
            : undefined,
        ),
        { ...body, ...more },
        {
          'if-match': '*',
          'hub-on-behalf-of': human,
          'idempotency-key': crypto.randomUUID(),
        },
      );
      // Whoever adds an operation says in `needs` what it wants besides texts.
      expect({ name, status: answer.status, why: answer.body.errors ?? answer.body.code }).toEqual({
        name,
        status: answer.status,
        why: undefined,
      });
    }
  }
  await failures(known);
  // Each of the four endpoints has failed in its own way.
  const endpoints = (await hub.api('GET', '/v1/endpoints')).body.data;
  expect(endpoints).toHaveLength(4);
  await eventually(async () => {
    const { rows } = await stage.database.query(
      `select distinct endpoint_id from deliveries where status in ('failed', 'dead')`,
    );
    expect(rows.length).toBeGreaterThanOrEqual(4);
  });
  const metrics = await (await fetch(`${hub.url}/metrics`)).text();
  const health = await (await fetch(`${hub.url}/health/ready`)).text();
  const [held, heldHuman] = [await tablesWith(marker), await tablesWith(human)];
  await hub.stop();

  expect(hub.output()).toMatch(/"level":10/);
  const lines = [hub.output(), metrics, health].join('\n').toLowerCase().split('\n');
  for (const text of [marker, human, '1987-11-23']) {
    expect(lines.filter((line) => line.includes(text.toLowerCase()))).toEqual([]);
  }
  expect(held).toContain('patients');
  expect(held.filter((table) => !mayHold.includes(table))).toEqual([]);
  expect(heldHuman).toEqual(expect.arrayContaining(['audit_entries', 'events']));
  expect(heldHuman.filter((table) => !mayHoldHuman.includes(table))).toEqual([]);
});

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
