import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.js';
import { startHeldReceiver } from '../../../test/support/held-receiver.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { accepts } from '../../../test/support/verify-webhook.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';

let hub: TestHub;
let receiver: WebhookReceiver;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});
beforeEach(() => receiver.respondWith(() => 200));

async function endpoint(input: object = {}): Promise<{ id: string; secret: string }> {
  const made = { url: `${receiver.url}/hook`, eventTypes: ['patient.created'], ...input };
  const { status, body } = await hub.api('POST', '/v1/endpoints', made);
  expect(status).toBe(201);
  return body;
}

function test(id: string, body: object = {}, headers = {}): Promise<ApiAnswer> {
  return hub.api('POST', `/v1/endpoints/${id}/test`, body, headers);
}

const received = (eventId: string) =>
  receiver.waitFor(({ headers }) => headers['webhook-id'] === eventId);

describe('a test', () => {
  it('is a signed example, marked as one inside and outside, without a number', async () => {
    const { id, secret } = await endpoint();
    const { status, body } = await test(id);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      eventType: 'patient.created',
      outcome: 'succeeded',
      statusCode: 200,
      durationMs: expect.any(Number),
    });
    const webhook = await received(body.eventId);
    expect(accepts(secret, webhook)).toBe(true);
    expect(webhook.headers).toMatchObject({ 'hub-test': 'true', 'hub-attempt': '1' });
    expect(webhook.headers).not.toHaveProperty('hub-sequence');
    expect(webhook.event).toMatchObject({
      specversion: '1.0',
      id: body.eventId,
      type: 'patient.created',
      hubendpoint: id,
      hubtest: true,
    });
    expect(webhook.event).not.toHaveProperty('hubsequence');
    expect(webhook.event).not.toHaveProperty('hubposition');
  });

  it('leaves no trace in log, deliveries and numbers', async () => {
    const { id } = await endpoint();
    await test(id);
    const { rows } = await hub.database.query(
      `select (select count(*)::int from events) as events, (select count(*)::int from deliveries) as deliveries`,
    );
    expect(rows[0]).toEqual({ events: 0, deliveries: 0 });
    const { body } = await hub.api('GET', `/v1/endpoints/${id}`);
    expect(body).toMatchObject({ lastSequence: 0, pending: 0, version: 1 });
  });

  it('is of the type asked for, in the mode of the endpoint', async () => {
    const { id } = await endpoint({ payloadMode: 'thin' });
    const { body } = await test(id, { eventType: 'payment.posted' });
    const { event } = await received(body.eventId);
    expect(event.type).toBe('payment.posted');
    expect(event.data.links).toHaveProperty('account');
    expect(event.data).not.toHaveProperty('amount');
  });

  it('is refused for a type the hub does not emit', async () => {
    const { id } = await endpoint();
    const { status, body } = await test(id, { eventType: 'patient.sneezed' });
    expect(status).toBe(422);
    expect(body.errors[0]).toMatchObject({ pointer: '/eventType', code: 'unknown_event_type' });
    expect((await test(id)).body.outcome).toBe('succeeded');
  });

  it('has the content type, headers and time-out of its endpoint', async () => {
    const { id } = await endpoint();
    const settings = {
      contentType: 'application/cloudevents+json',
      headers: { 'x-tenant': 'elm' },
      timeoutSeconds: 1,
    };
    await hub.api('PATCH', `/v1/endpoints/${id}`, settings, { 'if-match': '*' });
    const { body } = await test(id);
    const { headers } = await received(body.eventId);
    expect(headers).toMatchObject({
      'content-type': 'application/cloudevents+json',
      'x-tenant': 'elm',
    });

    receiver.respondWith(() => ({ status: 200, delayMs: 60_000 }));
    const late = await test(id);
    expect(late.body).toMatchObject({
      outcome: 'timeout',
      error: expect.stringMatching('1000 ms'),
    });
    expect(late.body).not.toHaveProperty('statusCode');
  });

  it('reaches a disabled endpoint too', async () => {
    const { id } = await endpoint({ enabled: false });
    expect((await test(id)).body.outcome).toBe('succeeded');
  });

  it('tells what the receiver answered', async () => {
    const { id } = await endpoint();
    receiver.respondWith(() => ({ status: 500, body: `no such tenant${'!'.repeat(3000)}` }));
    const key = { 'idempotency-key': `test-${id}` };
    const { status, body } = await test(id, {}, key);
    expect(status).toBe(200);
    expect(body).toMatchObject({ outcome: 'http_status', statusCode: 500 });
    expect(body.response).toMatch(/^no such tenant!+$/);
    expect(body.response).toHaveLength(1024);

    const count = receiver.requests.length;
    const again = await test(id, {}, key);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.body).toEqual({ ...body, response: undefined });
    expect(receiver.requests).toHaveLength(count);
  });

  it('tells why there was no answer', async () => {
    const { id } = await endpoint({ url: 'http://127.0.0.1:9/' });
    const { body } = await test(id);
    expect(body).toMatchObject({ outcome: 'connect_error', error: expect.any(String) });
  });

  it('is refused while another one is under way, and not afterwards', async () => {
    const held = await startHeldReceiver();
    try {
      const { id } = await endpoint({ url: held.url });
      const other = await endpoint();
      const key = { 'idempotency-key': `held-${id}` };
      const first = test(id, {}, key);
      await held.arrived;
      expect((await test(id)).body.code).toBe('call_under_way');
      expect((await test(id, {}, key)).body.code).toBe('idempotency_key_in_flight');
      expect((await test(other.id)).body.outcome).toBe('succeeded');
      // No transaction stays open meanwhile.
      await eventually(async () => {
        const { rows } = await hub.database.query(
          `select from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`,
        );
        expect(rows).toEqual([]);
      });
      held.answer();
      expect((await first).body.outcome).toBe('succeeded');
      expect((await test(id)).body.outcome).toBe('succeeded');
    } finally {
      held.close();
    }
  });

  it('is possible again where a hub died during one', async () => {
    const { id } = await endpoint();
    const mark = (interval: string) =>
      hub.database.query(
        `update endpoints set called_until = clock_timestamp() + $2::interval where id = $1`,
        [id, interval],
      );
    await mark('1 second');
    expect((await test(id)).status).toBe(409);
    await mark('-1 second');
    expect((await test(id)).status).toBe(200);

    const key = { 'idempotency-key': `died-${id}` };
    await test(id, {}, key);
    const inFlightFor = (interval: string) =>
      hub.database.query(
        `update idempotency_keys set status = 102, sealed_body = null, created_at = now() - $2::interval where key = $1`,
        [key['idempotency-key'], interval],
      );
    await inFlightFor('50 seconds');
    expect((await test(id, {}, key)).body.code).toBe('idempotency_key_in_flight');
    await inFlightFor('61 seconds');
    const repeated = await test(id, {}, key);
    expect(repeated.body.outcome).toBe('succeeded');
    expect((await test(id, {}, key)).body).toEqual(repeated.body);
  });

  it('finds only endpoints that are there', async () => {
    const { id } = await endpoint();
    expect((await test('019a0f5e-7c00-7000-8000-000000000000')).status).toBe(404);
    await hub.api('DELETE', `/v1/endpoints/${id}`, undefined, { 'if-match': '"1"' });
    expect((await test(id)).status).toBe(404);
  });
});
