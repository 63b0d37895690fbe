import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { fetchWhole } from '../support/fetch-whole.js';
import { accepts } from '../support/verify-webhook.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { pathOf, someThings, type Things } from '../support/things.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * What somebody else made, or changed, or kept: to a receiver by the published library, to the hub by what it gave out.
 */

let hub: TestHub;
let things: Things;
let receiver: WebhookReceiver;

beforeAll(async () => {
  [hub, receiver] = await Promise.all([startTestHub(), startWebhookReceiver()]);
  things = await someThings(hub);
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

describe('a webhook', () => {
  it('that was tampered with, kept too long or made by others is refused by the published library', async () => {
    const { body } = await hub.api('POST', '/v1/endpoints', {
      url: `${receiver.url}/forged`,
      eventTypes: ['patient.created'],
    });
    receiver.setSecret(body.secret, '/forged');
    const patients = pathOf('/v1/practices/{practiceId}/patients', things.known);
    await hub.api('POST', patients, { kind: 'human', givenName: 'Ada' });
    const webhook = await receiver.waitFor(({ path }) => path === '/forged');
    const good = { headers: webhook.headers, rawBody: webhook.rawBody };
    expect(accepts(body.secret, good)).toBe(true);

    const forged = (headers: Record<string, string>, rawBody = good.rawBody) =>
      accepts(body.secret, { headers: { ...good.headers, ...headers }, rawBody });
    const { 'webhook-timestamp': timestamp, 'webhook-signature': signature } = good.headers;
    // Any byte of the body, of its id and of its time is signed; who the endpoint is and its number lie in the body.
    expect(forged({}, good.rawBody.replace('patient.created', 'patient.deleted'))).toBe(false);
    expect(forged({}, `${good.rawBody} `)).toBe(false);
    expect(forged({ 'webhook-id': crypto.randomUUID() })).toBe(false);
    expect(forged({ 'webhook-timestamp': String(Number(timestamp) + 1) })).toBe(false);
    expect(forged({ 'webhook-signature': signature!.slice(0, -2) })).toBe(false);
    expect(forged({ 'webhook-signature': signature!.replace('v1,', 'v2,') })).toBe(false);
    expect(forged({ 'webhook-signature': '' })).toBe(false);
    const others = new Webhook(`whsec_${Buffer.alloc(32, 1).toString('base64')}`);
    const id = good.headers['webhook-id']!;
    const made = others.sign(id, new Date(Number(timestamp) * 1000), good.rawBody);
    expect(forged({ 'webhook-signature': made })).toBe(false);
    // Replayed: the same bytes are good for five minutes, and after that to nobody.
    for (const seconds of [-301, 301]) {
      const at = new Date(Date.now() + seconds * 1000);
      const stale = {
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': new Webhook(body.secret).sign(id, at, good.rawBody),
      };
      expect({ seconds, accepted: forged(stale) }).toEqual({ seconds, accepted: false });
    }
  });
});

describe('a cursor', () => {
  const cursors = [
    'x',
    '-1',
    '0',
    '1.1',
    '1.1.1.1',
    '1.-1.1',
    '1e9.1.1',
    '99999999999.1.1',
    '1.99999999999999999999999.1',
    '1.1.99999999999999999999999',
    ' 1.1.1',
    '1.1.1\u0000',
    Buffer.from('not an id').toString('base64url'),
    Buffer.from(`' or 1=1 --`).toString('base64url'),
    Buffer.from(JSON.stringify({ id: 1 })).toString('base64url'),
    '\uff11.\uff11.\uff11',
  ];

  it('that the hub did not give out is refused, of every list', async () => {
    const lists = [
      '/v1/events',
      '/v1/practices',
      '/v1/endpoints',
      '/v1/practices/{practiceId}/patients',
      '/v1/practices/{practiceId}/accounts',
      '/v1/practices/{practiceId}/appointments',
      '/v1/practices/{practiceId}/charges',
      '/v1/practices/{practiceId}/accounts/{accountId}/entries',
      '/v1/endpoints/{endpointId}/deliveries',
      '/v1/endpoints/{endpointId}/replays',
    ];
    for (const template of lists) {
      for (const cursor of cursors) {
        const path = `${pathOf(template, things.known)}?after=${encodeURIComponent(cursor)}`;
        const { status, body } = await hub.api('GET', path);
        const isRefused = status === 422 || status === 410;
        expect({ path, status, isRefused }).toEqual({ path, status, isRefused: true });
        expect(typeof body.code).toBe('string');
      }
    }
  });

  it('of others shows nothing of theirs', async () => {
    const other = await someThings(hub);
    const theirs = await other.client.api('GET', '/v1/events?limit=1');
    const mine = await things.client.api(
      'GET',
      `/v1/events?limit=200&after=${theirs.body.nextCursor}`,
    );
    const practices = mine.body.data.map(({ practiceid }: { practiceid: string }) => practiceid);
    expect(practices).not.toContain(other.known.practiceId);
    const patients = pathOf('/v1/practices/{practiceId}/patients', other.known);
    await hub.api('POST', patients, { kind: 'human', givenName: 'Eve' });
    const { nextCursor } = (await other.client.api('GET', `${patients}?limit=1`)).body;
    expect(nextCursor).not.toBeNull();
    const own = pathOf('/v1/practices/{practiceId}/patients', things.known);
    const answer = await things.client.api('GET', `${own}?after=${nextCursor}`);
    expect(JSON.stringify(answer.body)).not.toContain(other.known.patientId);
    expect(JSON.stringify(answer.body)).not.toContain('Eve');
  });
});

describe('a key', () => {
  it('opens nothing in any other place or spelling', async () => {
    const { key } = things.client;
    const asks: [path: string, headers: Record<string, string>][] = [
      [`/v1/me?key=${key}`, {}],
      [`/v1/me?authorization=Bearer%20${key}`, {}],
      ['/v1/me', { 'x-api-key': key }],
      ['/v1/me', { cookie: `authorization=Bearer ${key}` }],
      ['/v1/me', { 'proxy-authorization': `Bearer ${key}` }],
      ['/v1/me', { authorization: key }],
      ['/v1/me', { authorization: `Basic ${Buffer.from(`${key}:`).toString('base64')}` }],
      ['/v1/me', { authorization: `Bearer ${key} ${hub.key}` }],
      ['/v1/me', { authorization: `Bearer\t${key}` }],
      ['/v1/me', { authorization: `Bearer "${key}"` }],
      ['/v1/me', { authorization: `Bearer ${key.toUpperCase()}` }],
      ['/v1/me', { authorization: `Bearer ${key.replace('live', 'test')}` }],
    ];
    for (const [path, headers] of asks) {
      const { status } = await fetchWhole(`${hub.url}${path}`, { headers });
      expect({ path, headers, status }).toEqual({ path, headers, status: 401 });
    }
  });
});
