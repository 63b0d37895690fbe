import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Client } from '../support/applications.js';
import { eventually } from '../support/eventually.js';
import { aPractice } from '../support/factories-patients.js';
import { fetchWhole } from '../support/fetch-whole.js';
import { aGrant, aPartner, asPartner } from '../support/partners.js';
import { isDocumentation, routedBy, type Route } from '../support/routes.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../support/start-hub.js';
import { pathOf, someThings } from '../support/things.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/* As access.int.spec.ts for applications: every route of the router, for partners that are granted more or less. */

let hub: TestHub;
let receiver: WebhookReceiver;
/** Of the practice, which is granted nothing itself. */
let application: Client;
/** Is granted everything, and owns an endpoint. */
let friend: Client;
/** Is granted every event and no reads. */
let listener: Client;
/** Is granted everything by another practice. */
let stranger: Client;
/** What stands for each parameter of a path: things of the practice's and the friend's that really exist. */
let ours: Record<string, string>;

const all = { eventTypes: ['*'], payloadMode: 'full', readMode: 'full' };

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
  const { known, client } = await someThings(hub);
  application = client;
  const practice = { id: known.practiceId! };
  const partner = await aPartner(hub);
  const grant = await aGrant(hub, practice, partner, all);
  friend = await asPartner(hub, partner);
  listener = await granted(practice, { ...all, readMode: 'none' });
  stranger = await granted(await aPractice(hub), all);
  ours = {
    ...known,
    grantId: grant.id,
    partnerId: partner.id,
    ...(await endpointOf(practice, grant)),
  };
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

async function granted(practice: { id: string }, terms: object): Promise<Client> {
  const partner = await aPartner(hub);
  await aGrant(hub, practice, partner, terms);
  return asPartner(hub, partner);
}

/** An endpoint of the friend's, with a delivery and a replay. */
async function endpointOf(
  practice: { id: string },
  grant: { id: string },
): Promise<Record<string, string>> {
  const { body } = await friend.api('POST', '/v1/endpoints', {
    url: `${receiver.url}/friend`,
    eventTypes: ['grant.changed'],
  });
  receiver.setSecret(body.secret, '/friend');
  const at = `/v1/practices/${practice.id}/grants/${grant.id}`;
  await hub.api('PATCH', at, { purpose: 'Recalls' }, { 'if-match': '*' });
  const webhook = await receiver.waitFor(({ path }) => path === '/friend');
  const path = `/v1/endpoints/${body.id}`;
  const deliveryId = await eventually(async () => {
    const { data } = (await friend.api('GET', `${path}/deliveries`)).body;
    expect(data).toHaveLength(1);
    return data[0].id;
  });
  const past = { from: '2020-01-01T00:00:00Z', to: '2020-01-02T00:00:00Z' };
  const replay = await friend.api('POST', `${path}/replays`, past);
  return { endpointId: body.id, deliveryId, replayId: replay.body.id, eventId: webhook.event.id };
}

/** What every partner may ask, with an answer of its own. */
const common =
  /^\/(health|metrics|v1\/(me|event-types.*|practices|endpoints|events|grants|tokens)$)/;

function routes(): Route[] {
  return routedBy(hub).filter((route) => !isDocumentation(route) && !common.test(route.template));
}

async function ask(
  client: Client,
  { method, template }: Route,
  isMissing = false,
): Promise<ApiAnswer> {
  const nowhere = () => (isMissing ? crypto.randomUUID() : undefined);
  const body = method === 'GET' || method === 'DELETE' ? undefined : {};
  const answer = await client.api(method, pathOf(template, ours, nowhere), body, {
    'if-match': '*',
  });
  return { ...answer, body: { ...answer.body, requestId: '' } };
}

/** All that a change would leave a trace in. */
async function snapshot(): Promise<unknown> {
  const { rows } = await hub.database.query(
    `select (select count(*)::int from events where actor not like 'system/%') as events,
            (select jsonb_agg(g.version order by g.id) from grants as g) as grants,
            (select jsonb_agg(e.version order by e.id) from endpoints as e) as endpoints,
            (select jsonb_agg(p.version order by p.id) from patients as p) as patients`,
  );
  return rows[0];
}

it('is closed to partners, or hides what is not theirs as if it did not exist, and changes nothing', async () => {
  const before = await snapshot();
  for (const route of routes()) {
    const [answer, missing] = [await ask(stranger, route), await ask(stranger, route, true)];
    const told = ({ status, body }: ApiAnswer) => ({ ...route, status, body });
    expect(told(answer)).toEqual(told(missing));
    expect({ ...route, refused: [403, 404].includes(answer.status) }).toEqual({
      ...route,
      refused: true,
    });
  }
  expect(await snapshot()).toEqual(before);
});

it('lets whoever is granted no reads fetch nothing of a practice but itself', async () => {
  for (const route of routes()) {
    if (route.method !== 'GET' || route.template === '/v1/practices/{practiceId}') continue;
    const { status } = await ask(listener, route);
    expect({ ...route, refused: [403, 404].includes(status) }).toEqual({ ...route, refused: true });
  }
});

it('answers whoever is granted everything each read that is open to partners', async () => {
  const closed: string[] = [];
  for (const route of routes()) {
    if (route.method !== 'GET') continue;
    const headers = { authorization: `Bearer ${friend.key}` };
    const { status } = await fetchWhole(`${hub.url}${pathOf(route.template, ours)}`, { headers });
    if (status === 403) closed.push(route.template);
    else expect({ ...route, status }).toEqual({ ...route, status: 200 });
  }
  expect(closed.sort()).toEqual([
    '/v1/applications',
    '/v1/applications/{applicationId}',
    '/v1/applications/{applicationId}/keys',
    '/v1/audit',
    '/v1/partners',
    '/v1/partners/{partnerId}',
    '/v1/partners/{partnerId}/keys',
    '/v1/practices/{practiceId}/grants',
    '/v1/practices/{practiceId}/grants/{grantId}',
    '/v1/practices/{practiceId}/patients/{patientId}/disclosures',
  ]);
});

it('lets partners write to nothing but their own endpoints', async () => {
  for (const route of routes()) {
    if (route.method === 'GET' || /^\/v1\/(endpoints|deliveries)/.test(route.template)) continue;
    const { status, body } = await ask(friend, route);
    expect({ ...route, status }).toEqual({ ...route, status: 403 });
    expect(body.code).toMatch(/^(not_for_partners|operator_only)$/);
  }
});

it('keeps a partner’s endpoints from the practice’s own applications', async () => {
  for (const route of routes()) {
    if (!/^\/v1\/(endpoints|deliveries)\//.test(route.template)) continue;
    const { status } = await ask(application, route);
    expect({ ...route, status }).toEqual({ ...route, status: 404 });
  }
});
