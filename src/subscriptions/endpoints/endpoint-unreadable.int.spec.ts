import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';

/* Somebody has changed in the database what is sealed of an endpoint. */

let hub: TestHub;
let receiver: WebhookReceiver;
let endpoint: any;
let path: string;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

beforeEach(async () => {
  const input = { url: receiver.url, eventTypes: ['patient.*'], headers: { 'x-tenant': 'elm' } };
  endpoint = (await hub.api('POST', '/v1/endpoints', input)).body;
  path = `/v1/endpoints/${endpoint.id}`;
  await hub.database.query(
    `update endpoints set sealed_target = set_byte(sealed_target, 20, 255 - get_byte(sealed_target, 20)) where id = $1`,
    [endpoint.id],
  );
});

const change = (body: object) => hub.api('PATCH', path, body, { 'if-match': '*' });

it('is shown without an address, and keeps nobody from the others of a list', async () => {
  const other = { url: 'https://partner.example.com/', eventTypes: ['patient.*'] };
  const { id } = (await hub.api('POST', '/v1/endpoints', other)).body;
  const { status, body } = await hub.api('GET', path);
  expect([status, body]).toEqual([200, expect.objectContaining({ url: null, headers: null })]);
  const list = await hub.api('GET', '/v1/endpoints?limit=200');
  const urls = new Map(list.body.data.map((each: any) => [each.id, each.url]));
  expect([urls.get(endpoint.id), urls.get(id)]).toEqual([null, other.url]);
});

it('is not called, and says why', async () => {
  for (const action of ['test', 'verify']) {
    const { status, body } = await hub.api('POST', `${path}/${action}`, {});
    expect([action, status, body.code]).toEqual([action, 409, 'endpoint_unreadable']);
  }
});

it('is called again once it was given its address anew', async () => {
  expect((await change({ description: 'to be mended' })).body).toMatchObject({ url: null });
  const headers = { 'x-tenant': 'oak' };
  const withoutHeaders = await change({ url: receiver.url });
  expect(withoutHeaders.body.errors).toEqual([
    expect.objectContaining({ pointer: '/headers', code: 'required' }),
  ]);
  const half = await change({ headers });
  expect([half.status, half.body.errors]).toEqual([
    422,
    [expect.objectContaining({ pointer: '/url', code: 'required' })],
  ]);
  const mended = await change({ url: receiver.url, headers });
  expect(mended.body).toMatchObject({ url: receiver.url, headers });
  receiver.setSecret(endpoint.secret);
  expect((await hub.api('POST', `${path}/test`, {})).body).toMatchObject({ outcome: 'succeeded' });
});

it('is deleted as any other', async () => {
  expect((await hub.api('DELETE', path, undefined, { 'if-match': '*' })).status).toBe(204);
  const { body } = await hub.api('GET', '/v1/endpoints?includeDeleted=true&limit=200');
  const tombstone = body.data.find(({ id }: any) => id === endpoint.id);
  expect(tombstone).toMatchObject({ url: null, deletedAt: expect.any(String) });
});
