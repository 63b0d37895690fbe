import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication, type Client } from '../support/applications.js';
import { book } from '../support/factories-appointments.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { fetchWhole } from '../support/fetch-whole.js';
import { aGrant, aPartner } from '../support/partners.js';
import { documentedBy, isDocumentation, routedBy, type Route } from '../support/routes.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../support/start-hub.js';
import { pathOf } from '../support/things.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * Two practice applications that know nothing of each other. The routes come from the hub's router, so that a new one
 * cannot be forgotten: whoever adds a parameter has to say here what stands for it.
 */

let hub: TestHub;
let receiver: WebhookReceiver;
let owner: Client;
let stranger: Client;
let practice: any;
let theirs: any;
/** What stands for each parameter of a path: things of the owner's that really exist. */
let ours: Record<string, string>;
/** Ids that a stranger must never see. */
let secrets: string[];

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
  practice = await aPractice(hub);
  theirs = await aPractice(hub);
  const application = await anApplication(hub, [practice]);
  owner = await asApplication(hub, application);
  stranger = await asApplication(hub, await anApplication(hub, [theirs]));
  ours = await made(application);
  const named = ['type', 'version', 'eventId', 'applicationId', 'partnerId', 'keyId'];
  secrets = Object.entries(ours).flatMap(([name, id]) => (named.includes(name) ? [] : [id]));
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

async function made(application: { id: string }): Promise<Record<string, string>> {
  const patient = await aPatient(owner, practice);
  const clinic = { practiceId: practice.id, patientId: patient.id, accountId: patient.accountId };
  const appointment = await book(owner, clinic, '2031-03-10T15:30:00Z');
  const endpoint = await owner.api('POST', '/v1/endpoints', {
    url: `${receiver.url}/owner`,
    eventTypes: ['charge.posted'],
  });
  receiver.setSecret(endpoint.body.secret, '/owner');
  const entry = (family: 'charges' | 'payments' | 'adjustments') =>
    anEntry(owner, practice, family, { patientId: patient.id });
  const charge = await entry('charges');
  const webhook = await receiver.waitFor(({ path }) => path === '/owner');
  const deliveries = await owner.api('GET', `/v1/endpoints/${endpoint.body.id}/deliveries`);
  const partner = await aPartner(hub);
  const replay = await owner.api('POST', `/v1/endpoints/${endpoint.body.id}/replays`, {
    from: '2020-01-01T00:00:00Z',
    to: '2020-01-02T00:00:00Z',
  });
  return {
    practiceId: practice.id,
    patientId: patient.id,
    accountId: patient.accountId,
    appointmentId: appointment.id,
    chargeId: charge.id,
    entryId: charge.id,
    paymentId: (await entry('payments')).id,
    adjustmentId: (await entry('adjustments')).id,
    endpointId: endpoint.body.id,
    deliveryId: deliveries.body.data[0].id,
    replayId: replay.body.id,
    eventId: webhook.event.id,
    partnerId: partner.id,
    grantId: (await aGrant(owner, practice, partner)).id,
    applicationId: application.id,
    keyId: owner.keyId,
    type: 'charge.posted',
    version: '1',
  };
}

interface Asked extends Route {
  path: string;
}

function routes(): Asked[] {
  return routedBy(hub).flatMap((route) =>
    isDocumentation(route) ? [] : [{ ...route, path: pathOf(route.template, ours) }],
  );
}

const open = ['/health/live', '/health/ready', '/metrics'];
/** What every application may ask. */
const common = /^\/v1\/(me$|event-types)/;
/** Lists and creations at the top: each application has its own. */
const own = [
  '/v1/practices',
  '/v1/endpoints',
  '/v1/events',
  '/v1/tokens',
  '/v1/audit',
  '/v1/grants',
];
/** What is the operator's alone. */
const operators = /^\/v1\/(applications|partners)/;

function call(client: Client, { method, path }: Asked): Promise<ApiAnswer> {
  const body = method === 'GET' || method === 'DELETE' ? undefined : {};
  return client.api(method, path, body, { 'if-match': '*' });
}

describe('every route', () => {
  it('is in the document, and everything in the document is a route', () => {
    const spelled = (all: Route[]) => all.map(({ method, template }) => `${method} ${template}`);
    const routed = spelled(routedBy(hub).filter((route) => !isDocumentation(route)));
    expect(routed.length).toBeGreaterThan(60);
    expect(routed.sort()).toEqual(spelled(documentedBy(hub)).sort());
  });

  it('lets nobody in without a key, but to health and metrics', async () => {
    for (const route of routes()) {
      const { status } = await fetchWhole(`${hub.url}${route.path}`, { method: route.method });
      const isOpen = open.includes(route.template);
      expect({ ...route, isOpen: status === 200 || status === 503 }).toEqual({ ...route, isOpen });
      if (!isOpen) expect({ ...route, status }).toEqual({ ...route, status: 401 });
    }
  });

  it('hides what is not the caller’s, as if it did not exist, and changes nothing', async () => {
    const before = await snapshot();
    for (const route of routes()) {
      const { template } = route;
      if (open.includes(template) || common.test(template) || own.includes(template)) continue;
      const answer = await call(stranger, route);
      if (operators.test(template)) {
        expect({ ...route, status: answer.status }).toEqual({ ...route, status: 403 });
        continue;
      }
      const missing = await call(stranger, { ...route, path: nowhere(route) });
      const comparable = ({ status, body }: ApiAnswer) => ({
        status,
        body: { ...body, requestId: '' },
      });
      expect({ ...route, status: answer.status }).toEqual({ ...route, status: 404 });
      expect({ ...route, ...comparable(answer) }).toEqual({ ...route, ...comparable(missing) });
    }
    expect(await snapshot()).toEqual(before);
  });

  it('shows its own to each where it is a list, and not to the other', async () => {
    const lists = [
      '/v1/practices',
      '/v1/endpoints',
      '/v1/events?limit=200',
      '/v1/audit',
      '/v1/grants',
    ];
    for (const path of lists) {
      const [mine, foreign] = [await owner.api('GET', path), await stranger.api('GET', path)];
      expect({ path, status: foreign.status }).toEqual({ path, status: 200 });
      const text = JSON.stringify(foreign.body);
      for (const id of secrets)
        expect({ path, leaks: text.includes(id) }).toEqual({ path, leaks: false });
      expect({ path, some: mine.body.data.length > 0 }).toEqual({ path, some: true });
    }
    const practices = (await stranger.api('GET', '/v1/practices')).body.data;
    expect(practices.map(({ id }: { id: string }) => id)).toEqual([theirs.id]);
  });

  it('is the owner’s: each that only reads answers it', async () => {
    for (const route of routes()) {
      if (route.method !== 'GET' || operators.test(route.template)) continue;
      // Not everything is JSON.
      const headers = { authorization: `Bearer ${owner.key}` };
      const { status } = await fetchWhole(`${hub.url}${route.path}`, { headers });
      expect({ ...route, status }).toEqual({ ...route, status: 200 });
    }
  });
});

/** Reads that never hold anything of a patient: catalogues, settings, hashes. Any other is on record. */
const unrecorded =
  /^\/v1\/(me$|event-types|applications|practices(\/\{practiceId\})?$|endpoints(\/\{endpointId\})?(\/manifest|\/replays.*)?$)/;

describe('every read of what may be a patient’s', () => {
  it('is on record before it is answered: who, what, from where, in which request', async () => {
    for (const route of routes()) {
      const { method, template, path } = route;
      if (method !== 'GET' || !template.startsWith('/v1/')) continue;
      const requestId = crypto.randomUUID();
      const headers = { authorization: `Bearer ${hub.key}`, 'x-request-id': requestId };
      await fetchWhole(`${hub.url}${path}`, { headers });
      const { rows } = await hub.database.query(
        'select action, actor, ip, detail from audit_entries where correlation_id = $1',
        [requestId],
      );
      const pattern = template.replace(/\{(\w+)\}/g, ':$1');
      const entry = {
        action: expect.stringMatching(/^[a-z_]+\.read$/),
        actor: 'operator',
        ip: '127.0.0.1',
        detail: expect.objectContaining({ route: pattern }),
      };
      expect({ template, rows }).toEqual({
        template,
        rows: unrecorded.test(template) ? [] : [entry],
      });
    }
  });
});

describe('what an application makes', () => {
  it('is no practice, and no key', async () => {
    const practiceBody = { name: 'Mine', kind: 'dental', timeZone: 'UTC', currency: 'USD' };
    const answer = await stranger.api('POST', '/v1/practices', practiceBody);
    expect([answer.status, answer.body.code]).toEqual([403, 'operator_only']);
  });

  it('is no endpoint that names a practice of others, told as one that does not exist', async () => {
    const ask = (id: string) =>
      stranger.api('POST', '/v1/endpoints', {
        url: `${receiver.url}/stranger`,
        eventTypes: ['*'],
        practiceIds: [theirs.id, id],
      });
    const [foreign, none] = [await ask(practice.id), await ask(crypto.randomUUID())];
    expect(foreign.status).toBe(422);
    expect(foreign.body.errors).toEqual(none.body.errors);
  });

  it('cannot be asked for by an external id or a filter of practices either', async () => {
    for (const path of [
      `/v1/events?practiceIds=${practice.id}`,
      `/v1/events/${ours.eventId}`,
      `/v1/practices?externalId=x|y`,
    ]) {
      const { body } = await stranger.api('GET', path);
      expect(body.data ?? []).toEqual([]);
    }
  });
});

it('does not tell by a refusal which external ids practices of others have', async () => {
  const taken = [{ system: 'registry', value: 'of-the-owner' }];
  const path = `/v1/practices/${practice.id}`;
  const set = await hub.api('PATCH', path, { externalIds: taken }, { 'if-match': '*' });
  expect(set.status).toBe(200);
  const ask = (externalIds: unknown) =>
    stranger.api('PATCH', `/v1/practices/${theirs.id}`, { externalIds }, { 'if-match': '*' });
  const [known, free] = [await ask(taken), await ask([{ system: 'registry', value: 'free' }])];
  expect(known.status).toBe(403);
  expect({ ...known.body, requestId: '' }).toEqual({ ...free.body, requestId: '' });
  // What is sent back as it was is no change.
  expect((await ask([])).status).toBe(200);
});

/** The same path with ids that name nothing. */
function nowhere({ template }: Route): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === 'type' || name === 'version' ? ours[name]! : crypto.randomUUID(),
  );
}

/** All that a change would leave a trace in. */
async function snapshot(): Promise<unknown> {
  const { rows } = await hub.database.query(
    `select (select count(*)::int from events) as events,
            (select count(*)::int from api_keys where revoked_at is null) as keys,
            (select jsonb_agg(e.version order by e.id) from endpoints as e) as endpoints,
            (select jsonb_agg(p.version order by p.id) from practices as p) as practices,
            (select jsonb_agg(p.version order by p.id) from patients as p) as patients,
            (select jsonb_agg(a.version order by a.id) from appointments as a) as appointments`,
  );
  return rows[0];
}
