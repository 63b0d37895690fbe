import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { aPractice } from '../support/factories-patients.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/** Where personal data is at home, as long as its practice keeps it. */
const records = ['patients', 'accounts', 'external_ids'];
const marker = 'Kestrelmarker';

let hub: TestHub;
let receiver: WebhookReceiver;

// A hub for each: what one has opened before it has in memory.
beforeEach(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
});
afterEach(async () => {
  await hub.close();
  await receiver.close();
});

/** Tables in which a text stands, as it is or as the bytes that it is. */
async function tablesWith(text: string): Promise<string[]> {
  const { rows: tables } = await hub.database.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class as c
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1`,
  );
  expect(tables.length).toBeGreaterThan(20);
  const found: string[] = [];
  for (const { name } of tables) {
    const { rows } = await hub.database.query(
      `select exists (select from ${name} as t where t::text ilike $1 or t::text ilike $2) as found`,
      [`%${text}%`, `%${Buffer.from(text).toString('hex')}%`],
    );
    if (rows[0].found) found.push(name);
  }
  return found;
}

it('leaves what a request says in no table but the records themselves', async () => {
  const practice = await aPractice(hub);
  receiver.respondWith(({ path }: any) => ({ status: 500, body: `no ${marker} here, at ${path}` }));
  const { body: endpoint } = await hub.api('POST', '/v1/endpoints', {
    url: `${receiver.url}/${marker}`,
    eventTypes: ['patient.*'],
    headers: { 'x-tenant': marker, authorization: `Bearer ${marker}` },
  });
  const patient = { kind: 'human', givenName: marker, email: `${marker}@example.com` };
  const path = `/v1/practices/${practice.id}/patients`;
  const key = { 'idempotency-key': 'a-patient' };
  const first = await hub.api('POST', path, patient, key);
  const delivery = await eventually(async () => {
    const { data } = (await hub.api('GET', `/v1/endpoints/${endpoint.id}/deliveries`)).body;
    const { body } = await hub.api('GET', `/v1/deliveries/${data[0].id}`);
    expect(body.attempts[0].response).toContain(marker);
    return body;
  });
  // All of it is there, for those who may have it.
  expect((await hub.api('POST', path, patient, key)).body).toEqual(first.body);
  const event = (await hub.api('GET', `/v1/events/${delivery.eventId}`)).body;
  expect(event.data.givenName).toBe(marker);
  expect((await hub.api('GET', `/v1/endpoints/${endpoint.id}`)).body.url).toContain(marker);

  expect((await tablesWith(marker)).filter((name) => !records.includes(name))).toEqual([]);
  expect(await tablesWith(marker)).toContain('patients');
  expect(await tablesWith(endpoint.secret.slice('whsec_'.length))).toEqual([]);
});

it('withholds, visibly, what somebody has put in the place of another payload', async () => {
  const practice = await aPractice(hub);
  receiver.respondWith(() => ({ status: 204 }));
  const { body: endpoint } = await hub.api('POST', '/v1/endpoints', {
    url: `${receiver.url}/swapped`,
    eventTypes: ['patient.created'],
    practiceIds: [practice.id],
    enabled: false,
  });
  receiver.setSecret(endpoint.secret, '/swapped');
  const made: string[] = [];
  for (const givenName of ['Ada', 'Grace', 'Joan']) {
    const patient = { kind: 'human', givenName };
    made.push((await hub.api('POST', `/v1/practices/${practice.id}/patients`, patient)).body.id);
  }
  await hub.database.query('alter table events disable trigger events_append_only');
  const swapped = await hub.database.query(
    `update events as e set sealed = other.sealed from events as other
     where e.type = 'patient.created' and other.type = 'patient.created'
       and (e.patient_id, other.patient_id) in (($1, $2), ($2, $1))`,
    made.slice(0, 2),
  );
  expect(swapped.rowCount).toBe(2);
  await hub.database.query('alter table events enable trigger events_append_only');
  await hub.api('PATCH', `/v1/endpoints/${endpoint.id}`, { enabled: true }, { 'if-match': '*' });
  const replay = { missing: true, from: '2000-01-01T00:00:00Z' };
  await hub.api('POST', `/v1/endpoints/${endpoint.id}/replays`, replay);
  const joan = await receiver.waitFor(({ path }) => path === '/swapped');
  expect(joan.event.data).toMatchObject({ patientId: made[2] });
  await eventually(async () => {
    const { data } = (await hub.api('GET', `/v1/endpoints/${endpoint.id}/deliveries`)).body;
    const states = data.map(({ withheldReason, status }: any) => withheldReason ?? status);
    expect(states.sort()).toEqual(['delivered', 'unreadable', 'unreadable']);
  });
});
