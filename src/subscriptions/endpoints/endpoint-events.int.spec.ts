import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { anApplication, asApplication } from '../../../test/support/applications.js';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';
import { everything } from '../../database/scope.js';
import { Transactions, type Tx } from '../../database/transactions.js';
import { type AnyEndpointEvent, EndpointEvents, endpointKey } from './endpoint-events.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let practiceId: string;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
  const practice = {
    name: 'Elm Street',
    kind: 'dental',
    timeZone: 'America/Chicago',
    currency: 'USD',
  };
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

async function endpoint(path: string, more: object = {}): Promise<string> {
  const input = { url: receiver.url + path, eventTypes: ['endpoint.*'], ...more };
  const { body } = await hub.api('POST', '/v1/endpoints', input);
  receiver.setSecret(body.secret, path);
  return body.id;
}

function say(...events: AnyEndpointEvent[]): Promise<string[]> {
  const keys = events.map(({ endpointId }) => endpointKey(endpointId));
  const cause = { actor: 'system/deliveries', correlationId: 'a-spec' };
  const append = (tx: Tx) => hub.app.get(EndpointEvents).append(tx, cause, events);
  return hub.app.get(Transactions).run(keys, append, { scope: everything });
}

const arrivedAt = (path: string) =>
  receiver.requests.filter((request) => request.path === path).map(({ event }) => event.type);

it("tells the owner's other endpoints, and not the one it is about", async () => {
  const troubled = await endpoint('/troubled', { eventTypes: ['*'] });
  await endpoint('/family', { payloadMode: 'thin' });
  await endpoint('/narrowed', { eventTypes: ['*'], practiceIds: [practiceId] });
  const stranger = await asApplication(hub, await anApplication(hub, [{ id: practiceId }]));
  const foreign = { url: `${receiver.url}/foreign`, eventTypes: ['*'] };
  receiver.setSecret(
    (await stranger.api('POST', '/v1/endpoints', foreign)).body.secret,
    '/foreign',
  );
  await hub.database.query(
    `insert into endpoint_health (endpoint_id, failing_since, last_error) values ($1, now(), 'timeout')`,
    [troubled],
  );

  const delivery = {
    deliveryId: randomUUID(),
    eventId: randomUUID(),
    eventType: 'patient.created',
    sequence: 3,
    attempts: 10,
  };
  const ids = await say(
    { endpointId: troubled, type: 'endpoint.failing', data: {} },
    { endpointId: troubled, type: 'endpoint.delivery_exhausted', data: delivery },
    {
      endpointId: troubled,
      type: 'endpoint.disabled',
      data: { reason: 'gone', lastError: 'gone' },
    },
  );
  // Behind them in the log, so that whatever is for these endpoints stands before it or with it.
  const [patient] = await emitPatientCreated(hub, practiceId);
  const awaited = [...ids, patient].map((id) => ['/narrowed', id]);
  awaited.push(...ids.map((id) => ['/family', id]), ['/troubled', patient], ['/foreign', patient]);
  for (const [path, id] of awaited) {
    await receiver.waitFor((webhook) => webhook.path === path && webhook.event.id === id);
  }

  expect(arrivedAt('/troubled')).toEqual(['patient.created']);
  expect(arrivedAt('/foreign')).toEqual(['patient.created']);
  expect(arrivedAt('/narrowed')).toHaveLength(4);
  const webhooks = receiver.requests.filter(({ path }) => path === '/family');
  expect(webhooks).toHaveLength(3);
  const byId = new Map(webhooks.map((webhook) => [webhook.event.id, webhook]));
  const [failing, exhausted, disabled] = ids.map((id) => byId.get(id)!.event);
  const link = `${hub.url}/v1/endpoints/${troubled}`;
  const standing = { endpointId: troubled, lastError: 'timeout', nextSequence: 1 };
  expect(failing).toMatchObject({
    source: '/operator',
    subject: `endpoints/${troubled}`,
    subjectversion: 1,
    actor: 'system/deliveries',
    data: { ...standing, links: { endpoint: link } },
  });
  expect(failing).not.toHaveProperty('practiceid');
  expect(exhausted!.data).toEqual({
    ...standing,
    ...delivery,
    links: { endpoint: link, delivery: `${hub.url}/v1/deliveries/${delivery.deliveryId}` },
  });
  expect(disabled!.data).toMatchObject({ ...standing, lastError: 'gone', reason: 'gone' });
  expect(webhooks.every(({ verified }) => verified)).toBe(true);
});

it('stands in the feed, but in no practice’s', async () => {
  const id = await endpoint('/quiet', { enabled: false });
  const [eventId] = await say({ endpointId: id, type: 'endpoint.recovered', data: {} });
  const types = async (query: string) =>
    (await hub.api('GET', `/v1/events?limit=200${query}`)).body.data.map((each: any) => each.id);
  // Another database of the same server may hold the horizon for a moment.
  await eventually(async () => expect(await types('&eventTypes=endpoint.*')).toContain(eventId));
  expect(await types(`&practiceIds=${practiceId}`)).not.toContain(eventId);
  const { body } = await hub.api('GET', `/v1/events/${eventId}`);
  expect(body.data).toEqual({ endpointId: id, lastError: null, nextSequence: 1 });
});

it('is not said of an endpoint that was deleted', async () => {
  const id = await endpoint('/deleted');
  await hub.api('DELETE', `/v1/endpoints/${id}`, undefined, { 'if-match': '"1"' });
  expect(await say({ endpointId: id, type: 'endpoint.recovered', data: {} })).toEqual([]);
});

it('is one of the types a partner can look up and name', async () => {
  const { body } = await hub.api('GET', '/v1/event-types/endpoint.delivery_exhausted');
  expect(body).toMatchObject({ subject: 'endpoints/{id}', version: 1 });
  const schema = await hub.api(
    'GET',
    '/v1/event-types/endpoint.failing/versions/1/schema?mode=thin',
  );
  expect(schema.body.required).toEqual(['endpointId', 'lastError', 'nextSequence']);
});
