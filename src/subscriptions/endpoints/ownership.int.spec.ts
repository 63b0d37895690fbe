import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { startHeldReceiver } from '../../../test/support/held-receiver.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { accepts } from '../../../test/support/verify-webhook.js';
import {
  startWebhookReceiver,
  type ReceivedWebhook,
  type Responder,
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
beforeEach(() => receiver.respondWith(answering));

const isChallenge = ({ event }: ReceivedWebhook) => event.type === 'hub.challenge';

/** A receiver that wants the webhooks. */
const answering: Responder = (_, webhook) =>
  isChallenge(webhook)
    ? { status: 200, body: JSON.stringify({ challenge: webhook.event.challenge }) }
    : 200;

interface Challenged {
  id: string;
  secret: string;
  version: number;
}

async function challenged(input: object = {}): Promise<Challenged> {
  const { status, body } = await hub.api('POST', '/v1/endpoints', {
    url: `${receiver.url}/hook`,
    eventTypes: ['patient.created'],
    ownershipChallenge: true,
    ...input,
  });
  expect(status).toBe(201);
  return body;
}

const verify = (id: string, headers = {}): Promise<ApiAnswer> =>
  hub.api('POST', `/v1/endpoints/${id}/verify`, undefined, headers);

async function change(id: string, body: object): Promise<ApiAnswer> {
  const { headers } = await hub.api('GET', `/v1/endpoints/${id}`);
  return hub.api('PATCH', `/v1/endpoints/${id}`, body, { 'if-match': headers.get('etag')! });
}

const challenges = (path: string) =>
  receiver.requests.filter((webhook) => isChallenge(webhook) && webhook.path === path);

describe('an endpoint made with a challenge', () => {
  it('gets nothing before its receiver has proven itself, and everything after', async () => {
    const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
    const practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
    const made = await challenged({ url: `${receiver.url}/proof` });
    expect(made).toMatchObject({
      enabled: false,
      status: 'disabled',
      disabledReason: 'unproven',
      ownership: 'unproven',
    });
    const [passed] = await emitPatientCreated(hub, practiceId, 1);
    // What fan-out comes to only after the proof would be for it.
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select from consumer_cursors as c, events as e
         where e.id = $1 and (c.generation, c.xact_id, c.seq) >= (e.generation, e.xact_id, e.seq)`,
        [passed],
      );
      expect(rows).toHaveLength(1);
    });

    const { status, body, headers } = await verify(made.id);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      enabled: true,
      status: 'active',
      disabledReason: null,
      ownership: 'proven',
      version: made.version + 1,
    });
    expect(headers.get('etag')).toBe(`"${body.version}"`);
    const [challenge] = challenges('/proof');
    expect(accepts(made.secret, challenge!)).toBe(true);
    expect(challenge!.event).toMatchObject({ specversion: '1.0', hubendpoint: made.id });

    const [wanted] = await emitPatientCreated(hub, practiceId, 1);
    const webhook = await receiver.waitFor(
      ({ path, event }) => path === '/proof' && event.type === 'patient.created',
    );
    expect(webhook.event.id).toBe(wanted);
    expect(accepts(made.secret, webhook)).toBe(true);
  });

  it('gets no test either before that', async () => {
    const made = await challenged({ url: `${receiver.url}/untested` });
    const test = () => hub.api('POST', `/v1/endpoints/${made.id}/test`);
    expect(await test()).toMatchObject({ status: 409, body: { code: 'ownership_unproven' } });
    expect(receiver.requests.filter(({ path }) => path === '/untested')).toEqual([]);
    // The refusal is no call that others would have to wait for.
    expect((await verify(made.id)).status).toBe(200);
    expect(await test()).toMatchObject({ status: 200, body: { outcome: 'succeeded' } });
  });

  it('may answer with the bare challenge', async () => {
    receiver.respondWith((_, { event }) => ({ status: 202, body: `${event.challenge}\n` }));
    const { id } = await challenged();
    expect((await verify(id)).body.ownership).toBe('proven');
  });

  it('stays disabled where it was to be', async () => {
    const { id } = await challenged({ enabled: false });
    const { body } = await verify(id);
    expect(body).toMatchObject({ ownership: 'proven', enabled: false, disabledReason: null });
    expect((await change(id, { enabled: true })).body.enabled).toBe(true);
  });

  it('is not called again once it is proven', async () => {
    const { id } = await challenged({ url: `${receiver.url}/once` });
    const first = await verify(id);
    const again = await verify(id);
    expect(again.body).toEqual(first.body);
    expect(challenges('/once')).toHaveLength(1);
  });
});

describe('a receiver that does not answer the challenge', () => {
  const refusals: [string, Responder, object][] = [
    ['says nothing', () => 200, { outcome: 'succeeded', statusCode: 200 }],
    ['says something else', () => ({ status: 200, body: 'marker-of-a-body' }), { statusCode: 200 }],
    [
      'sends back what it gets',
      (_, { rawBody }) => ({ status: 200, body: rawBody }),
      { statusCode: 200 },
    ],
    [
      'fails',
      (_, { event }) => ({ status: 500, body: String(event.challenge) }),
      { outcome: 'http_status', statusCode: 500 },
    ],
    [
      'says it at great length',
      (_, { event }) => ({ status: 200, body: `${' '.repeat(5000)}${event.challenge}` }),
      { statusCode: 200 },
    ],
  ];

  it.each(refusals)('proves nothing where it %s', async (_, respond, expected) => {
    receiver.respondWith(respond);
    const { id } = await challenged();
    const { status, body } = await verify(id);
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'challenge_failed', ...expected });
    expect(JSON.stringify(body)).not.toContain('marker-of-a-body');
    const { body: endpoint } = await hub.api('GET', `/v1/endpoints/${id}`);
    expect(endpoint).toMatchObject({ ownership: 'unproven', enabled: false, version: 1 });

    receiver.respondWith(answering);
    expect((await verify(id)).body.enabled).toBe(true);
  });

  it('is told why, where there is none', async () => {
    const { id } = await challenged({ url: 'http://127.0.0.1:9/' });
    const { status, body } = await verify(id);
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'challenge_failed', outcome: 'connect_error' });
    expect(body).not.toHaveProperty('statusCode');
  });

  it('may be asked again under the same Idempotency-Key', async () => {
    receiver.respondWith(() => 500);
    const { id } = await challenged();
    const key = { 'idempotency-key': `verify-${id}` };
    expect((await verify(id, key)).status).toBe(409);
    receiver.respondWith(answering);
    expect((await verify(id, key)).body.ownership).toBe('proven');
    const kept = await verify(id, key);
    expect(kept.headers.get('idempotency-replayed')).toBe('true');
    expect(kept.body.ownership).toBe('proven');
  });
});

describe('a change of an endpoint with a challenge', () => {
  it('does not enable it while it is unproven', async () => {
    const { id } = await challenged();
    const { status, body } = await change(id, { enabled: true });
    expect(status).toBe(409);
    expect(body.code).toBe('ownership_unproven');
    expect(body.detail).toContain('verify');
  });

  it('of its URL takes the proof away until the new receiver has answered', async () => {
    const { id } = await challenged();
    await verify(id);
    const moved = await change(id, { url: `${receiver.url}/moved` });
    expect(moved.body).toMatchObject({
      ownership: 'unproven',
      enabled: false,
      disabledReason: 'unproven',
    });
    expect((await verify(id)).body).toMatchObject({ ownership: 'proven', enabled: true });
    expect(challenges('/moved')).toHaveLength(1);
    const same = await change(id, { url: `${receiver.url}/moved`, description: 'Moved' });
    expect(same.body).toMatchObject({ ownership: 'proven', enabled: true });
  });

  it('while the challenge is under way makes its answer worthless', async () => {
    const held = await startHeldReceiver();
    const { id } = await challenged({ url: held.url });
    const asked = verify(id);
    const { challenge } = JSON.parse(await held.arrived);
    expect((await change(id, { url: `${receiver.url}/elsewhere` })).status).toBe(200);
    held.answer(challenge);
    const { status, body } = await asked;
    held.close();
    expect(status).toBe(409);
    expect(body.code).toBe('url_changed');
    expect((await hub.api('GET', `/v1/endpoints/${id}`)).body.ownership).toBe('unproven');
  });

  it('cannot ask for a challenge afterwards, but the owner may prove it all the same', async () => {
    const { id } = await challenged({ ownershipChallenge: false });
    const refused = await change(id, { ownershipChallenge: true });
    expect(refused.status).toBe(422);
    const { body } = await verify(id);
    expect(body).toMatchObject({ ownership: 'proven', enabled: true });
    expect((await change(id, { url: `${receiver.url}/new` })).body.ownership).toBe('unproven');
  });
});
