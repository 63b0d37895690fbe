import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication, type Client } from '../support/applications.js';
import { eventually } from '../support/eventually.js';
import { anEntry, aPatient, aPractice } from '../support/factories-patients.js';
import { aGrant, aPartner, asPartner } from '../support/partners.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { startWebhookReceiver } from '../support/webhook-receiver.js';

/* A practice lets a partner hear of some of what happens, and nobody hears of more. */

let hub: TestHub;
let application: Client;
let practice: any;
let patient: any;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  application = await asApplication(hub, await anApplication(hub, [practice]));
  patient = await aPatient(application, practice);
});
afterAll(() => hub.close());

const anyVersion = { 'if-match': '*' };

/** A partner with a key of its own and one grant of the practice. */
async function granted(change: object = {}): Promise<{ client: Client; grant: any; partner: any }> {
  const partner = await aPartner(hub);
  const grant = await aGrant(application, practice, partner, change);
  return { client: await asPartner(hub, partner), grant, partner };
}

function pay(change: object = {}): Promise<any> {
  const payer = { type: 'insurance', name: 'Prairie Mutual Dental' };
  return anEntry(application, practice, 'payments', { patientId: patient.id, payer, ...change });
}

/** What a feed has once it has all of `awaited`: readers wait for whatever somebody else still has open. */
function feedOf(client: Client, ...awaited: string[]): Promise<any[]> {
  return eventually(async () => {
    const { body } = await client.api('GET', '/v1/events?limit=200');
    const text = JSON.stringify(body.data);
    for (const id of awaited) expect(text).toContain(id);
    return body.data;
  });
}

it('is about access and not about time: what happened before it is shown too, in the feed and by a replay', async () => {
  const earlier = await pay();
  const receiver = await startWebhookReceiver();
  try {
    const { client } = await granted();
    await feedOf(client, earlier.id);
    const wanted = { url: receiver.url, eventTypes: ['payment.*'] };
    const { body: endpoint } = await client.api('POST', '/v1/endpoints', wanted);
    receiver.setSecret(endpoint.secret);
    const replays = `/v1/endpoints/${endpoint.id}/replays`;
    expect((await client.api('POST', replays, { missing: true })).status).toBe(201);
    await receiver.waitFor(({ event }) => (event.data as any).entryId === earlier.id);
  } finally {
    await receiver.close();
  }
});

it('is webhooks of what is granted, links to fetch the rest by, and nothing once it is revoked', async () => {
  const receiver = await startWebhookReceiver();
  try {
    const { client, grant, partner } = await granted({
      payloadMode: 'thin',
      readMode: 'minimum',
    });
    const { status, body: endpoint } = await client.api('POST', '/v1/endpoints', {
      url: receiver.url,
      eventTypes: ['payment.*', 'grant.*'],
      payloadMode: 'thin',
    });
    expect(status).toBe(201);
    receiver.setSecret(endpoint.secret);
    await anEntry(hub, practice, 'charges', { patientId: patient.id });
    const payment = await pay();
    const webhook = await receiver.waitFor(({ event }) => event.type === 'payment.posted');
    expect(webhook.verified).toBe(true);
    const { links, ...ids } = webhook.event.data;
    expect(ids).toEqual({
      entryId: payment.id,
      accountId: patient.accountId,
      patientId: patient.id,
    });
    const fetched = await client.api('GET', links.entry);
    expect(fetched.body).toMatchObject({ id: payment.id, amount: 10_000 });

    const at = `/v1/practices/${practice.id}/grants/${grant.id}`;
    await application.api('DELETE', at, undefined, anyVersion);
    await receiver.waitFor(({ event }) => event.type === 'grant.revoked');
    expect((await client.api('GET', links.entry)).status).toBe(404);
    await pay();
    // Comes after the payment in the log, so that this would be here before it.
    const next = await aGrant(application, practice, partner, { eventTypes: ['charge.*'] });
    await receiver.waitFor(({ event }) => event.data.grantId === next.id);
    const types = receiver.requests.map(({ event }) => event.type);
    expect(types.filter((type) => !type.startsWith('grant.'))).toEqual(['payment.posted']);
  } finally {
    await receiver.close();
  }
});

const ofPractice = (events: any[]) => events.filter(({ practiceid }) => practiceid);

describe("a partner's feed", () => {
  it('has what is granted and nothing else, as much of it as the payload mode shows', async () => {
    const { client } = await granted({ eventTypes: ['payment.posted'], payloadMode: 'minimum' });
    const payment = await pay({ description: 'At the front desk' });
    const events = ofPractice(await feedOf(client, payment.id));
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['payment.posted']));
    const { data, id } = events.find((event) => event.data.entryId === payment.id);
    expect(data).toMatchObject({ amount: 10_000, payer: { type: 'insurance' } });
    expect(JSON.stringify(events)).not.toMatch(/Prairie Mutual|front desk/);
    const one = await client.api('GET', `/v1/events/${id}`);
    expect(one.body.data).toEqual(data);
    const others = await feedOf(application, patient.id);
    const created = others.find(({ type }) => type === 'patient.created');
    const hidden = await client.api('GET', `/v1/events/${created.id}`);
    const none = await client.api('GET', `/v1/events/${crypto.randomUUID()}`);
    expect([hidden.status, { ...hidden.body, requestId: '' }]).toEqual([
      404,
      { ...none.body, requestId: '' },
    ]);
  });

  it('shows of an event what the widest grant shows that covers its type', async () => {
    const { client, partner } = await granted({ eventTypes: ['*'], payloadMode: 'thin' });
    await aGrant(application, practice, partner, {
      eventTypes: ['payment.*'],
      payloadMode: 'full',
    });
    const payment = await pay();
    const events = ofPractice(await feedOf(client, patient.id, payment.id));
    const created = events.find(({ type }) => type === 'patient.created');
    expect(Object.keys(created.data).sort()).toEqual(['accountId', 'links', 'patientId']);
    const posted = events.find(
      ({ type, data }) => type === 'payment.posted' && data.entryId === payment.id,
    );
    expect(posted.data.payer.name).toBe('Prairie Mutual Dental');
  });

  it('tells of its grants, and has nothing of the practice once they are revoked', async () => {
    const { client, grant } = await granted();
    const payment = await pay();
    await feedOf(client, payment.id);
    const at = `/v1/practices/${practice.id}/grants/${grant.id}`;
    await application.api('DELETE', at, undefined, anyVersion);
    const events = await feedOf(client, 'grant.revoked');
    expect(events.map(({ type }) => type)).toEqual(['grant.created', 'grant.revoked']);
    expect((await client.api('GET', `/v1/practices/${practice.id}`)).status).toBe(404);
  });

  it('says nothing of a patient who asked for that, nor of what is theirs', async () => {
    const { client } = await granted({ eventTypes: ['*'], payloadMode: 'full' });
    const [quiet, sharing] = [await aPatient(hub, practice), await aPatient(hub, practice)];
    const child = await aPatient(hub, practice, { accountId: sharing.accountId });
    for (const { id } of [quiet, sharing])
      await anEntry(hub, practice, 'payments', { patientId: id });
    const ofChild = await anEntry(hub, practice, 'payments', { patientId: child.id });
    await hub.database.query('update patients set restricted = true where id = any ($1)', [
      [quiet.id, sharing.id],
    ]);
    const text = JSON.stringify(await feedOf(client, ofChild.id));
    expect(text).not.toContain(quiet.id);
    expect(text).not.toContain(quiet.accountId);
    expect(text).not.toContain(sharing.id);
    // Whoever shares an account with them is heard of still.
    expect(text).toContain(child.id);
  });

  it('goes on from where it was after events that are none of its business', async () => {
    const { client } = await granted();
    const { body } = await client.api('GET', '/v1/events?limit=200');
    await anEntry(hub, practice, 'charges', { patientId: patient.id });
    const payment = await pay();
    const path = `/v1/events?after=${body.nextCursor}&limit=1&eventTypes=payment.*&wait=20`;
    const next = (await client.api('GET', path)).body;
    expect(next.data[0].data.entryId).toBe(payment.id);
  });
});
