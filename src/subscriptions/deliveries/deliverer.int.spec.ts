import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import { startWebhookReceiver } from '../../../test/support/webhook-receiver.js';

type Receiver = Awaited<ReturnType<typeof startWebhookReceiver>>;

let hub: TestHub;
let receiver: Receiver;
let practiceId: string;

beforeEach(async () => {
  [hub, receiver] = await Promise.all([startTestHub(), startWebhookReceiver()]);
  const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
});

afterEach(async () => {
  await hub.close();
  await receiver.close();
});

async function subscribe(url = receiver.url): Promise<{ id: string; secret: string }> {
  const made = await hub.api('POST', '/v1/endpoints', { url, eventTypes: ['patient.*'] });
  expect(made.status).toBe(201);
  receiver.setSecret(made.body.secret);
  return made.body;
}

async function deliveries(endpointId: string): Promise<any[]> {
  return (await hub.api('GET', `/v1/endpoints/${endpointId}/deliveries?limit=200`)).body.data;
}

describe('the deliverer', () => {
  it('delivers each event once, signed, in numbers without gaps, and records it', async () => {
    const endpoint = await subscribe();
    const ids = await emitPatientCreated(hub, practiceId, 300);
    await receiver.waitForCount(300);
    expect(receiver.requests.every(({ verified }) => verified)).toBe(true);
    const bodies = receiver.requests.map(({ event }) => event as any);
    expect(new Set(bodies.map(({ id }) => id))).toEqual(new Set(ids));
    const numbers = bodies.map(({ hubsequence }) => Number(hubsequence)).sort((a, b) => a - b);
    expect(numbers).toEqual(ids.map((_, i) => i + 1));
    expect(bodies.every(({ hubendpoint }) => hubendpoint === endpoint.id)).toBe(true);
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select count(*)::int as n from deliveries where status = 'delivered' and attempts = 1`,
      );
      expect(rows[0].n).toBe(300);
    });
    expect(receiver.requests).toHaveLength(300);
  });

  it('tries again after a failure and keeps every attempt', async () => {
    receiver.respondWith((n) => (n === 1 ? 500 : 204));
    const endpoint = await subscribe();
    await emitPatientCreated(hub, practiceId);
    await receiver.waitForCount(1);
    const [failed] = await eventually(async () => {
      const list = await deliveries(endpoint.id);
      expect(list[0]).toMatchObject({ status: 'failed', attempts: 1 });
      return list;
    });
    // The schedule's five seconds, brought forward as an operator would by a resend.
    expect((await hub.api('POST', `/v1/deliveries/${failed.id}/resend`)).status).toBe(200);
    await receiver.waitForCount(2);
    expect(receiver.requests[1]!.headers['hub-attempt']).toBe('2');
    await eventually(async () => {
      const { body } = await hub.api('GET', `/v1/deliveries/${failed.id}`);
      expect(body.status).toBe('delivered');
      expect(body.attempts).toMatchObject([
        { number: 1, outcome: 'http_status', statusCode: 500 },
        { number: 2, outcome: 'succeeded', statusCode: 204 },
      ]);
    });
  });

  it('sends nothing to a disabled endpoint and everything once it is enabled', async () => {
    const endpoint = await subscribe();
    await emitPatientCreated(hub, practiceId);
    await receiver.waitForCount(1);
    receiver.respondWith(() => 503);
    await emitPatientCreated(hub, practiceId);
    await receiver.waitForCount(2);
    const path = `/v1/endpoints/${endpoint.id}`;
    const off = await hub.api('PATCH', path, { enabled: false }, { 'if-match': '*' });
    expect(off.body.status).toBe('disabled');
    const [failed] = await eventually(async () => {
      const list = await deliveries(endpoint.id);
      expect(list[0]).toMatchObject({ status: 'failed', attempts: 1 });
      return list;
    });
    const refused = await hub.api('POST', `/v1/deliveries/${failed.id}/resend`);
    expect(refused.body.code).toBe('endpoint_disabled');
    receiver.respondWith(() => 204);
    await hub.database.query(`update deliveries set next_attempt_at = now() where id = $1`, [
      failed.id,
    ]);
    await hub.api('PATCH', path, { enabled: true }, { 'if-match': '*' });
    await receiver.waitForCount(3);
    expect(receiver.requests[2]!.headers['hub-attempt']).toBe('2');
  });
});
