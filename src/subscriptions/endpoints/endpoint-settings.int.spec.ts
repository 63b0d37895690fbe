import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { anApplication, asApplication } from '../../../test/support/applications.js';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { testKeys } from '../../../test/support/sealed.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';
import { bindingOfAnswer } from '../../sealing/bindings.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let practiceId: string;
let patientId: string;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
  const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
  const patient = { kind: 'human', givenName: 'Ada', familyName: 'Byrne' };
  patientId = (await hub.api('POST', `/v1/practices/${practiceId}/patients`, patient)).body.id;
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

const valid = { url: 'https://partner.example.com/hook', eventTypes: ['payment.*'] };
const defaults = {
  filter: null,
  headers: null,
  contentType: 'application/json',
  timeoutSeconds: null,
  maxConcurrency: null,
  ratePerSecond: null,
  ordering: 'none',
  retrySchedule: 'default',
  excludeOwn: false,
  metadata: null,
};
const chosen = {
  filter: { amount: { $gte: 200 }, method: { $in: ['card', 'cash'] } },
  headers: { Authorization: 'Bearer of-the-receiver', 'x-tenant': 'elm' },
  contentType: 'application/cloudevents+json',
  timeoutSeconds: 7,
  maxConcurrency: 3,
  ratePerSecond: 500,
  ordering: 'subject',
  retrySchedule: 'quick',
  excludeOwn: true,
  metadata: { team: 'billing', toString: 'a name like any other' },
};

/** As they are shown to whoever reads them, which is not who made them. */
const shown = { ...chosen, headers: { Authorization: '********', 'x-tenant': 'elm' } };

function create(input: object = {}, headers?: Record<string, string>): Promise<ApiAnswer> {
  return hub.api('POST', '/v1/endpoints', { ...valid, ...input }, headers);
}

function change(endpoint: { id: string; version: number }, body: object): Promise<ApiAnswer> {
  return hub.api('PATCH', `/v1/endpoints/${endpoint.id}`, body, {
    'if-match': `"${endpoint.version}"`,
  });
}

function pay(amount: number, method = 'card'): Promise<ApiAnswer> {
  const payment = { patientId, amount, currency: 'USD', method, payer: { type: 'patient' } };
  return hub.api('POST', `/v1/practices/${practiceId}/payments`, payment);
}

async function listenAt(path: string, input: object): Promise<{ id: string; version: number }> {
  const { body } = await create({ url: receiver.url + path, ...input });
  receiver.setSecret(body.secret, path);
  return body;
}

const arrivedAt = (path: string) => receiver.requests.filter((each) => each.path === path);

describe('the settings', () => {
  it('have defaults, are shown as they were made, and cleared with null', async () => {
    expect((await create()).body).toMatchObject(defaults);
    const { body: made } = await create(chosen);
    expect(made).toMatchObject(shown);
    const { body: read } = await hub.api('GET', `/v1/endpoints/${made.id}`);
    expect(read).toMatchObject(shown);
    const empty = {
      filter: null,
      headers: null,
      timeoutSeconds: null,
      maxConcurrency: null,
      ratePerSecond: null,
      metadata: null,
    };
    const { body: cleared } = await change(read, empty);
    expect(cleared).toMatchObject({ ...chosen, ...empty, version: 2 });
    const { body: again } = await change(cleared, chosen);
    expect(again).toMatchObject({ ...shown, version: 3 });
    const { body: list } = await hub.api('GET', '/v1/endpoints?limit=200');
    expect(list.data.find(({ id }: any) => id === made.id)).toMatchObject(shown);
  });

  it.each([
    [{ timeoutSeconds: 31 }, '/timeoutSeconds'],
    [{ maxConcurrency: 0 }, '/maxConcurrency'],
    [{ ratePerSecond: 1.5 }, '/ratePerSecond'],
    [{ ordering: 'global' }, '/ordering'],
    [{ ordering: null }, '/ordering'],
    [{ retrySchedule: 'toString' }, '/retrySchedule'],
    [{ contentType: 'text/plain' }, '/contentType'],
    [{ headers: { 'Webhook-Id': 'x' } }, '/headers/Webhook-Id'],
    [{ headers: { 'x-a': 1 } }, '/headers'],
    [{ headers: ['x'] }, '/headers'],
    [{ metadata: { a: { b: 'c' } } }, '/metadata'],
    [{ metadata: { constructor: 'x' } }, '/metadata/constructor'],
    [{ filter: 'amount > 1' }, '/filter'],
    [{ filter: {} }, '/filter'],
    [{ filter: { amount: { $regex: '1' } } }, '/filter/amount/$regex'],
    [{ filter: { 'payer.name': 'Ada' }, payloadMode: 'minimum' }, '/filter/payer.name'],
  ])('refuse %j with its place', async (input, pointer) => {
    const refused = await create(input);
    expect(refused.status).toBe(422);
    expect(refused.body.errors.map((each: any) => each.pointer)).toEqual([pointer]);
  });

  it('refuse what is nested without end', async () => {
    const body = `{"url":"https://a.example/","eventTypes":["*"],"filter":${'{"$and":['.repeat(5000)}${']}'.repeat(5000)}}`;
    expect((await hub.api('POST', '/v1/endpoints', body)).status).toBe(422);
  });

  it('keep headers, which may be secrets, out of what is kept under an idempotency key', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const first = await create(chosen, key);
    expect(first.body.headers).toEqual(shown.headers);
    const second = await create(chosen, key);
    expect(second.body.id).toBe(first.body.id);
    expect(second.body).not.toHaveProperty('headers');
    const rotation = [`/v1/endpoints/${second.body.id}/secret/rotate`, {}] as const;
    const rotated = await hub.api('POST', ...rotation, key);
    expect(rotated.body.headers).toEqual(shown.headers);
    expect((await hub.api('POST', ...rotation, key)).body).not.toHaveProperty('headers');
    const { rows } = await hub.database.query(
      'select identity, route, key, sealed_body from idempotency_keys',
    );
    const answers = await testKeys(hub.database).open(
      rows.map(({ sealed_body: sealed, ...scope }) => ({
        sealed,
        binding: bindingOfAnswer(Object.values(scope)),
      })),
    );
    expect(answers.join()).toContain(second.body.id);
    expect(answers.join()).not.toContain('of-the-receiver');
  });
});

describe('a filter', () => {
  it('holds for types and payload mode that come later', async () => {
    const { body: made } = await create({ filter: { 'payer.name': 'Ada' } });
    const narrowed = await change(made, { payloadMode: 'minimum' });
    expect(narrowed.status).toBe(422);
    expect(narrowed.body.errors[0]).toMatchObject({
      pointer: '/filter/payer.name',
      code: 'unknown_filter_field',
    });
    expect((await change(made, { eventTypes: ['patient.*'] })).status).toBe(422);
    const both = { payloadMode: 'minimum', filter: { amount: 1 } };
    expect((await change(made, both)).status).toBe(200);
  });

  it('lets through what satisfies it, numbered without gaps, from the next fact on', async () => {
    await listenAt('/all', {});
    const filtered = await listenAt('/filtered', { filter: chosen.filter, payloadMode: 'minimum' });
    for (const [amount, method] of [[100], [200], [300, 'check'], [400, 'cash']] as const) {
      await pay(amount, method);
    }
    await receiver.waitFor(({ path, event }) => path === '/filtered' && event.data.amount === 400);
    await change(filtered, { filter: { amount: { $lt: 200 } } });
    await pay(500);
    await pay(150);
    await receiver.waitFor(({ path, event }) => path === '/filtered' && event.data.amount === 150);
    await receiver.waitFor(({ path, event }) => path === '/all' && event.data.amount === 150);
    const webhooks = arrivedAt('/filtered').map(({ event }) => [
      Number(event.hubsequence),
      event.data.amount,
    ]);
    expect(webhooks.sort(([a], [b]) => a! - b!)).toEqual([
      [1, 200],
      [2, 400],
      [3, 150],
    ]);
    expect(arrivedAt('/filtered').every(({ verified }) => verified)).toBe(true);
    expect(arrivedAt('/all')).toHaveLength(6);
  });
});

it('keeps the value of a header that comes back as it was shown', async () => {
  await listenAt('/masked', { eventTypes: ['patient.*'], headers: chosen.headers });
  const { body: list } = await hub.api('GET', '/v1/endpoints?limit=200');
  const masked = list.data.find(({ url }: any) => url.endsWith('/masked'));
  const headers = { ...masked.headers, 'x-tenant': 'oak' };
  const changed = await change(masked, { headers });
  expect(changed.body.headers).toEqual(headers);
  const refused = await change(changed.body, { headers: { ...headers, 'x-api-key': '********' } });
  expect(refused.body.errors).toMatchObject([
    { pointer: '/headers/x-api-key', code: 'masked_header' },
  ]);
  await emitPatientCreated(hub, practiceId);
  const webhook = await receiver.waitFor(({ path }) => path === '/masked');
  expect(webhook.headers).toMatchObject({
    authorization: chosen.headers.Authorization,
    'x-tenant': 'oak',
  });
});

it('sends the headers and the content type that were chosen', async () => {
  const { headers, contentType } = chosen;
  await listenAt('/dressed', { eventTypes: ['patient.*'], headers, contentType });
  await emitPatientCreated(hub, practiceId);
  const webhook = await receiver.waitFor(({ path }) => path === '/dressed');
  expect(webhook.headers).toMatchObject({
    authorization: 'Bearer of-the-receiver',
    'x-tenant': 'elm',
    'content-type': contentType,
  });
  expect(webhook.verified).toBe(true);
});

it('leaves out what the owner caused, where that is wanted', async () => {
  const application = await asApplication(hub, await anApplication(hub, [{ id: practiceId }]));
  const { body: made } = await application.api('POST', '/v1/endpoints', {
    url: `${receiver.url}/others`,
    eventTypes: ['patient.*'],
    excludeOwn: true,
  });
  receiver.setSecret(made.secret, '/others');
  await listenAt('/everyone', { eventTypes: ['patient.*'] });
  const patients = `/v1/practices/${practiceId}/patients`;
  const ada = { kind: 'human', givenName: 'Ada' };
  const own = (await application.api('POST', patients, ada)).body;
  const of = (path: string, patient: { id: string }) =>
    receiver.waitFor(
      (webhook) => webhook.path === path && webhook.event.data.patientId === patient.id,
    );
  await of('/everyone', own);
  const foreign = (await hub.api('POST', patients, ada)).body;
  expect((await of('/others', foreign)).event).toMatchObject({ hubsequence: '1' });
});

it('is failing while its circuit is open, and begins afresh when it is enabled', async () => {
  const { body: made } = await create({ enabled: false });
  const path = `/v1/endpoints/${made.id}`;
  await hub.database.query(
    `insert into endpoint_health (endpoint_id, failing_since, open_until) values ($1, now(), now() + interval '1 day')`,
    [made.id],
  );
  expect((await hub.api('GET', path)).body.status).toBe('disabled');
  await hub.database.query(`update endpoints set enabled = true where id = $1`, [made.id]);
  expect((await hub.api('GET', path)).body.status).toBe('failing');
  const noted = await change(made, { metadata: { a: 'b' } });
  expect(noted.body.status).toBe('failing');
  const enabled = await change(noted.body, { enabled: true });
  expect(enabled.body).toMatchObject({ status: 'active', disabledReason: null });
  const { rows } = await hub.database.query('select from endpoint_health where endpoint_id = $1', [
    made.id,
  ]);
  expect(rows).toEqual([]);
});
