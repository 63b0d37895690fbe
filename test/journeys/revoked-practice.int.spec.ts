import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { anApplication, asApplication, type Client } from '../support/applications.js';
import { eventually } from '../support/eventually.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

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

interface Stage {
  client: Client;
  endpoint: any;
  kept: any;
  lost: any;
  charge(practice: { id: string }): Promise<string>;
  reach(practices: { id: string }[]): Promise<void>;
}

/** An application of two practices, with an endpoint that hears of charges. */
async function stage(path: string, settings: object = {}): Promise<Stage> {
  const [kept, lost] = [await aPractice(hub), await aPractice(hub)];
  const application = await anApplication(hub, [kept, lost]);
  const client = await asApplication(hub, application);
  const { body: endpoint } = await client.api('POST', '/v1/endpoints', {
    url: `${receiver.url}${path}`,
    eventTypes: ['charge.posted'],
    ...settings,
  });
  receiver.setSecret(endpoint.secret, path);
  const patients = new Map<string, any>();
  for (const practice of [kept, lost]) patients.set(practice.id, await aPatient(hub, practice));
  return {
    client,
    endpoint,
    kept,
    lost,
    charge: async (practice) => {
      const patientId = patients.get(practice.id).id;
      return (await anEntry(hub, practice, 'charges', { patientId })).id;
    },
    reach: async (practices) => {
      const practiceIds = practices.map(({ id }) => id);
      const path = `/v1/applications/${application.id}`;
      const { status } = await hub.api('PATCH', path, { practiceIds }, { 'if-match': '*' });
      expect(status).toBe(200);
    },
  };
}

const entriesAt = (path: string) =>
  receiver.requests
    .filter((request) => request.path === path)
    .map(({ event }) => event.data.entryId);

describe('a practice that an application no longer reaches', () => {
  it.each(['none', 'subject'])(
    'sends it nothing more, also of what waits already (ordering %s)',
    async (ordering) => {
      const path = `/waits-${ordering}`;
      const { client, endpoint, kept, lost, charge, reach } = await stage(path, { ordering });
      receiver.respondWith((_, request) => (request.path === path ? 500 : 204));
      const waiting = await charge(lost);
      await receiver.waitFor(({ event }) => event.data.entryId === waiting);
      const deliveries = `/v1/endpoints/${endpoint.id}/deliveries`;
      await eventually(async () =>
        expect((await client.api('GET', deliveries)).body.data[0]).toMatchObject({
          status: 'failed',
        }),
      );
      const [delivery] = (await client.api('GET', deliveries)).body.data;

      receiver.respondWith(() => 204);
      await reach([kept]);
      const resent = await client.api('POST', `/v1/deliveries/${delivery.id}/resend`);
      expect(resent).toMatchObject({ status: 409, body: { code: 'delivery_withheld' } });
      // At once, and not when its next attempt would be due.
      await eventually(async () =>
        expect((await client.api('GET', `/v1/deliveries/${delivery.id}`)).body).toMatchObject({
          status: 'withheld',
          withheldReason: 'revoked',
        }),
      );
      const [of, after] = [await charge(lost), await charge(kept)];
      await receiver.waitFor(({ event }) => event.data.entryId === after);
      expect(entriesAt(path)).toEqual([waiting, after]);
      expect(entriesAt(path)).not.toContain(of);
    },
  );

  it('is withheld from the stream and the manifest too, also what was delivered', async () => {
    const { client, endpoint, kept, lost, charge, reach } = await stage('/stream');
    const [first, second] = [await charge(lost), await charge(kept)];
    await receiver.waitFor(({ event }) => event.data.entryId === first);
    const last = await receiver.waitFor(({ event }) => event.data.entryId === second);
    await reach([kept]);
    const at = `/v1/endpoints/${endpoint.id}`;
    const { body } = await client.api('GET', `${at}/events?after=0`);
    expect(body.data).toEqual([
      { sequence: 1, withheld: 'revoked' },
      { sequence: 2, event: last.event },
    ]);
    const manifest = (await client.api('GET', `${at}/manifest`)).body;
    const lines = `1 -\n2 ${last.event.id}\n`;
    expect(manifest).toMatchObject({
      count: 2,
      hash: createHash('sha256').update(lines).digest('hex'),
    });
    // What is reached again is there again.
    await reach([kept, lost]);
    expect((await client.api('GET', `${at}/events?after=0`)).body.data[0].event.data.entryId).toBe(
      first,
    );
  });

  it('is no part of a replay of what is missing', async () => {
    const { client, endpoint, kept, lost, charge, reach } = await stage('/missing', {
      enabled: false,
    });
    const [hidden, wanted] = [await charge(lost), await charge(kept)];
    await reach([kept]);
    const at = `/v1/endpoints/${endpoint.id}`;
    await client.api('PATCH', at, { enabled: true }, { 'if-match': '*' });
    const marker = await charge(kept);
    await receiver.waitFor(({ event }) => event.data.entryId === marker);
    const replay = await client.api('POST', `${at}/replays`, { missing: true });
    expect(replay.status).toBe(201);
    await receiver.waitFor(({ event }) => event.data.entryId === wanted);
    await eventually(async () =>
      expect((await client.api('GET', `${at}/replays/${replay.body.id}`)).body).toMatchObject({
        state: 'completed',
        matched: 1,
      }),
    );
    expect(entriesAt('/missing')).not.toContain(hidden);
  });
});

describe('a sandbox', () => {
  it('is heard of by endpoints made with test keys alone, and a live practice by the others', async () => {
    const [live, sandbox] = [await aPractice(hub), await aPractice(hub, { sandbox: true })];
    const application = await anApplication(hub, [live, sandbox]);
    const keys = {
      '/live': await asApplication(hub, application),
      '/test': await asApplication(hub, application, { mode: 'test' }),
    };
    for (const [path, client] of Object.entries(keys)) {
      const url = `${receiver.url}${path}`;
      const made = await client.api('POST', '/v1/endpoints', {
        url,
        eventTypes: ['patient.created'],
      });
      receiver.setSecret(made.body.secret, path);
      expect((await client.api('GET', '/v1/endpoints')).body.data).toHaveLength(1);
    }
    const [real, pretended] = [await aPatient(hub, live), await aPatient(hub, sandbox)];
    const of = (patient: any) =>
      receiver.waitFor(({ event }) => event.data.patientId === patient.id);
    expect((await of(real)).path).toBe('/live');
    expect((await of(pretended)).path).toBe('/test');
    const at = (path: string) => receiver.requests.filter((request) => request.path === path);
    expect([at('/live').length, at('/test').length]).toEqual([1, 1]);
  });
});
