import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';
import { DataKeys } from '../../sealing/data-keys.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let practiceId: string;

beforeEach(async () => {
  const settings = { HUB_CIRCUIT_PAUSE_SECONDS: '1' };
  [hub, receiver] = await Promise.all([startTestHub({ settings }), startWebhookReceiver()]);
  const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
});

afterEach(async () => {
  await hub.close();
  await receiver.close();
});

async function subscribe(settings: object = {}): Promise<string> {
  const endpoint = { url: `${receiver.url}/main`, eventTypes: ['patient.*'], ...settings };
  const made = await hub.api('POST', '/v1/endpoints', endpoint);
  expect(made.status).toBe(201);
  return made.body.id;
}

async function endpoint(id: string): Promise<any> {
  return (await hub.api('GET', `/v1/endpoints/${id}`)).body;
}

async function deliveries(id: string): Promise<any[]> {
  return (await hub.api('GET', `/v1/endpoints/${id}/deliveries?limit=200`)).body.data;
}

/** Types of what was said about endpoints, in order. */
async function said(): Promise<string[]> {
  const { rows } = await hub.database.query(
    `select type from events where type like 'endpoint.%' order by seq`,
  );
  return rows.map(({ type }) => type);
}

const toMain = () => receiver.requests.filter(({ path }) => path === '/main');

describe('an endpoint that answers', () => {
  it('410 is disabled, says so to its owner, and gets the rest once it is enabled', async () => {
    const witness = await subscribe({ url: `${receiver.url}/witness`, eventTypes: ['endpoint.*'] });
    const id = await subscribe();
    receiver.respondWith((_, { path }) => (path === '/main' ? 410 : 204));
    await emitPatientCreated(hub, practiceId);
    await eventually(async () =>
      expect(await endpoint(id)).toMatchObject({ status: 'disabled', disabledReason: 'gone' }),
    );
    const word = await receiver.waitFor(({ path }) => path === '/witness');
    expect(word.event).toMatchObject({
      type: 'endpoint.disabled',
      subject: `endpoints/${id}`,
      data: { endpointId: id, reason: 'gone', lastError: 'gone 410' },
    });
    expect(word.event.hubendpoint).toBe(witness);
    receiver.respondWith(() => 204);
    await hub.api('PATCH', `/v1/endpoints/${id}`, { enabled: true }, { 'if-match': '*' });
    const [delivery] = await deliveries(id);
    await hub.api('POST', `/v1/deliveries/${delivery.id}/resend`);
    await eventually(async () =>
      expect((await deliveries(id))[0]).toMatchObject({ status: 'delivered', attempts: 2 }),
    );
    expect(await endpoint(id)).toMatchObject({ status: 'active', disabledReason: null });
  });

  it('500 is recorded without what it said where the key to seal that with cannot be had', async () => {
    const id = await subscribe({ retrySchedule: 'quick' });
    receiver.respondWith(() => ({ status: 500, body: 'oh' }));
    await emitPatientCreated(hub, practiceId);
    const attempts = async () => (await deliveries(id))[0]?.attempts;
    await eventually(async () => expect(await attempts()).toBe(1));
    // The next one is made already, and somebody has changed it.
    await hub.database.query(
      `update data_keys set retired_at = clock_timestamp() where practice_id = $1`,
      [practiceId],
    );
    await hub.database.query(
      `insert into data_keys (practice_id, wrapped, master_key_id)
       select practice_id, decode(repeat('00', 60), 'hex'), master_key_id from data_keys where practice_id = $1`,
      [practiceId],
    );
    const keys = hub.app.get(DataKeys);
    await eventually(async () => expect(keys.sealing(practiceId)).toBeUndefined());
    const before = await attempts();
    await eventually(async () => expect(await attempts()).toBeGreaterThan(before), 30_000);
  });

  it.each([503, 429])('%s with Retry-After is left alone as a whole', async (status) => {
    const id = await subscribe();
    await subscribe({ url: `${receiver.url}/other` });
    receiver.respondWith((_, { path }) =>
      path === '/main' ? { status, headers: { 'retry-after': '3600' } } : 204,
    );
    await emitPatientCreated(hub, practiceId);
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select extract(epoch from throttled_until - now())::int as seconds from endpoint_health where endpoint_id = $1`,
        [id],
      );
      expect(rows[0]?.seconds).toBeGreaterThan(3500);
    });
    const [first] = await deliveries(id);
    expect(first.status).toBe('failed');
    expect(Date.parse(first.nextAttemptAt) - Date.now()).toBeGreaterThan(3_500_000);
    // The other endpoint has had these for good when this one would have had them.
    await emitPatientCreated(hub, practiceId, 30);
    await eventually(async () =>
      expect(receiver.requests.filter(({ path }) => path === '/other')).toHaveLength(31),
    );
    expect(toMain()).toHaveLength(1);
    expect(await endpoint(id)).toMatchObject({ status: 'active', pending: 31 });
  });

  it('with failures only gets a probe now and then, and everything once it is well', async () => {
    const id = await subscribe({ retrySchedule: 'quick' });
    receiver.respondWith(() => 500);
    await emitPatientCreated(hub, practiceId, 300);
    await eventually(async () => expect((await endpoint(id)).status).toBe('failing'));
    const { rows } = await hub.database.query(
      `select count(*)::int as n, max(attempts)::int as most from deliveries where attempts > 0`,
    );
    // The first window at most, of three hundred.
    expect(rows[0].n).toBeLessThan(40);
    expect(await said()).toEqual(['endpoint.failing']);
    receiver.respondWith(() => 204);
    await eventually(async () => {
      const open = (await endpoint(id)).pending;
      expect(open).toBe(0);
    }, 30_000);
    expect(await endpoint(id)).toMatchObject({ status: 'active', lastSequence: 300 });
    expect(await said()).toEqual(['endpoint.failing', 'endpoint.recovered']);
    const left = await hub.database.query('select * from endpoint_health');
    expect(left.rows).toEqual([]);
  });

  it('with failures only for days is disabled', async () => {
    const id = await subscribe({ retrySchedule: 'quick' });
    receiver.respondWith(() => 500);
    await emitPatientCreated(hub, practiceId);
    await eventually(async () => {
      const aged = await hub.database.query(
        `update endpoint_health set failing_since = failing_since - interval '6 days' where endpoint_id = $1`,
        [id],
      );
      expect(aged.rowCount).toBe(1);
    });
    await eventually(async () =>
      expect(await endpoint(id)).toMatchObject({ status: 'disabled', disabledReason: 'failing' }),
    );
    expect(await said()).toContain('endpoint.disabled');
  });

  it('with an error shows the beginning of what it said, to its owner alone', async () => {
    const id = await subscribe();
    receiver.respondWith(() => ({ status: 400, body: `no such field\n${'x'.repeat(5000)}` }));
    await emitPatientCreated(hub, practiceId);
    await eventually(async () => {
      const [delivery] = await deliveries(id);
      const { body } = await hub.api('GET', `/v1/deliveries/${delivery.id}`);
      expect(body.attempts[0].response).toMatch(/^no such field\nx{100}/);
      expect(Buffer.byteLength(body.attempts[0].response)).toBe(1024);
    });
  });
});

describe('a delivery that is given up', () => {
  it('is a dead letter its owner hears of, in the transaction that records it', async () => {
    await subscribe({ url: `${receiver.url}/witness`, eventTypes: ['endpoint.*'] });
    const id = await subscribe({ retrySchedule: 'none' });
    receiver.respondWith((_, { path }) => (path === '/main' ? 500 : 204));
    const [eventId] = await emitPatientCreated(hub, practiceId);
    const word = await receiver.waitFor(({ path }) => path === '/witness');
    expect(word.event).toMatchObject({
      type: 'endpoint.delivery_exhausted',
      data: { endpointId: id, eventId, eventType: 'patient.created', sequence: 1, attempts: 1 },
    });
    expect((await deliveries(id))[0]).toMatchObject({ status: 'dead', attempts: 1 });
  });

  it('is not told of where it was itself such a word: two dead endpoints would tell each other for ever', async () => {
    for (const path of ['/main', '/b', '/c']) {
      const eventTypes = ['patient.*', 'endpoint.*'];
      await subscribe({ url: receiver.url + path, eventTypes, retrySchedule: 'none' });
    }
    receiver.respondWith(() => 500);
    await emitPatientCreated(hub, practiceId);
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select event_type, count(*)::int as n from deliveries where status = 'dead' group by 1 order by 1`,
      );
      // Each of three has a dead letter, of which the two others are told in vain.
      expect(rows).toEqual([
        { event_type: 'endpoint.delivery_exhausted', n: 6 },
        { event_type: 'patient.created', n: 3 },
      ]);
    });
    expect(await said()).toHaveLength(3);
  });
});

describe('an endpoint with a rate', () => {
  it('never gets more in a second than it takes', async () => {
    await subscribe({ ratePerSecond: 50 });
    await emitPatientCreated(hub, practiceId, 120);
    await receiver.waitForCount(120);
    const at = receiver.requests.map(({ receivedAtMs }) => receivedAtMs).sort((a, b) => a - b);
    // The receiver may hear late and then see two seconds' worth closer together; not the hub's whole backlog.
    expect(at.at(-1)! - at[0]!).toBeGreaterThan(2000);
  });
});
