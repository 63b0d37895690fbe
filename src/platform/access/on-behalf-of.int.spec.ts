import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { anApplication, asApplication, type Client } from '../../../test/support/applications.js';
import { aPractice } from '../../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let client: Client;
let practice: any;

beforeAll(async () => {
  [hub, receiver] = await Promise.all([startTestHub(), startWebhookReceiver()]);
  practice = await aPractice(hub);
  client = await asApplication(hub, await anApplication(hub, [practice]));
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

function aPatient(name: string) {
  const path = `/v1/practices/${practice.id}/patients`;
  return client.api(
    'POST',
    path,
    { kind: 'human', givenName: 'Ada' },
    { 'hub-on-behalf-of': name },
  );
}

it('is kept with the events of the call, and told to nobody else', async () => {
  const { body } = await client.api('POST', '/v1/endpoints', {
    url: `${receiver.url}/hook`,
    eventTypes: ['patient.created'],
  });
  receiver.setSecret(body.secret, '/hook');
  const made = await aPatient(encodeURIComponent('Zoë Hygienist'));
  expect(made.status).toBe(201);
  const subject = `patients/${made.body.id}`;
  const { rows } = await hub.database.query(
    `select distinct on_behalf_of from events where subject = $1`,
    [subject],
  );
  expect(rows).toEqual([{ on_behalf_of: 'Zoë Hygienist' }]);
  const webhook = await receiver.waitFor(({ event }) => event.subject === subject);
  const feed = await client.api('GET', '/v1/events?eventTypes=patient.created');
  expect(feed.body.data).toHaveLength(1);
  expect(JSON.stringify([webhook, feed.body])).not.toMatch(/Hygienist/);
});

it('is refused by name where it cannot be read, and nothing happens', async () => {
  const count = async () =>
    (await hub.database.query('select count(*)::int as n from patients')).rows[0].n;
  const before = await count();
  for (const name of ['%', '%C3', 'Ada%0Ax: y', 'x'.repeat(201)]) {
    const { status, body } = await aPatient(name);
    expect(status).toBe(422);
    expect(body.errors).toMatchObject([{ parameter: 'Hub-On-Behalf-Of', code: 'malformed_name' }]);
  }
  expect(await count()).toBe(before);
});
