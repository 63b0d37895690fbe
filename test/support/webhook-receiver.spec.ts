import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { fetchWhole } from './fetch-whole.js';
import { startWebhookReceiver, type WebhookReceiver } from './webhook-receiver.js';

const secretOf = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`;

let receiver: WebhookReceiver;
beforeEach(async () => {
  receiver = await startWebhookReceiver();
});
afterEach(() => receiver.close());

/** Signs with the published library, sends `body` whatever was signed, and resolves to the status. */
async function post(path: string, body: string, secret = secretOf(1), signed = body) {
  const now = new Date();
  const { status } = await fetchWhole(receiver.url + path, {
    method: 'POST',
    body,
    headers: {
      'webhook-id': 'evt_1',
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign('evt_1', now, signed),
    },
  });
  return status;
}

describe('the webhook receiver', () => {
  it('verifies with the secret of the path, or else of /', async () => {
    receiver.setSecret(secretOf(1));
    receiver.setSecret(secretOf(2), '/two');
    await post('/', '{}');
    await post('/elsewhere?a=1', '{}');
    await post('/two', '{}', secretOf(2));
    await post('/two', '{}', secretOf(1));
    await post('/', '{"a":2}', secretOf(1), '{"a":1}');
    expect(receiver.requests.map(({ verified }) => verified)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('says nothing about a signature it has no secret for', async () => {
    await post('/', 'not json');
    expect(receiver.requests[0]).toMatchObject({
      verified: undefined,
      rawBody: 'not json',
      path: '/',
    });
  });

  it('finds what has arrived and what is still to come', async () => {
    const future = receiver.waitFor(({ event }) => event.type === 'b');
    await post('/', '{"type":"a"}');
    await post('/', '{"type":"b"}');
    expect((await future).event.type).toBe('b');
    expect((await receiver.waitFor(({ event }) => event.type === 'a')).rawBody).toBe(
      '{"type":"a"}',
    );
    expect(await receiver.waitForCount(2)).toHaveLength(2);
  });

  it('says what arrived instead when it waits in vain', async () => {
    await post('/', '{"type":"a"}');
    await expect(receiver.waitFor(({ event }) => event.type === 'b', 20)).rejects.toThrow(
      'no matching webhook within 20 ms; arrived: a',
    );
    await expect(receiver.waitForCount(2, 20)).rejects.toThrow('no 2 webhooks within 20 ms');
  });

  it('hands on the error of a predicate, without harm to the sender', async () => {
    const waiting = receiver.waitFor(({ event }) => event['data'].patientId === 'p1');
    const outcome = expect(waiting).rejects.toThrow(/patientId/);
    expect(await post('/', '{"type":"a"}')).toBe(200);
    await outcome;
  });

  it('answers as it is told, counting from when it was told', async () => {
    await post('/', '{}');
    receiver.respondWith((n) => (n <= 2 ? 503 : { status: 202, delayMs: 1 }));
    const statuses = [await post('/', '{}'), await post('/', '{}'), await post('/', '{}')];
    expect(statuses).toEqual([503, 503, 202]);
  });
});
