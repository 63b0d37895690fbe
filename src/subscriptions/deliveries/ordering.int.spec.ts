import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { emitAbout } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { createTestDatabase } from '../../../test/support/postgres.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import {
  startWebhookReceiver,
  type ReceivedWebhook,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';
import { readEvents } from '../../../test/support/sealed.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let hub: TestHub;
let receiver: WebhookReceiver;
let practiceId: string;
/** Subjects whose webhooks are refused. */
let refused: Set<string>;
const [ada, bob] = [uuidv7(), uuidv7()];

beforeEach(async () => {
  [database, receiver] = await Promise.all([createTestDatabase(), startWebhookReceiver()]);
  await startHub();
  const practice = { name: 'Elm', kind: 'dental', timeZone: 'America/Chicago', currency: 'USD' };
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
  refused = new Set();
  receiver.respondWith((_, webhook) => (refused.has(subjectOf(webhook)) ? 500 : 204));
});

afterEach(async () => {
  await hub.close();
  await receiver.close();
  await database.drop();
});

async function startHub(): Promise<void> {
  hub = await startTestHub({ databaseUrl: database.url });
}

async function subscribe(settings: object): Promise<string> {
  const endpoint = { url: receiver.url, eventTypes: ['patient.*'], ...settings };
  const made = await hub.api('POST', '/v1/endpoints', endpoint);
  expect(made.status).toBe(201);
  return made.body.id;
}

function subjectOf({ event }: ReceivedWebhook): string {
  return event.subject.slice('patients/'.length);
}

/** Versions of a subject that were accepted, in the order of their first arrival. */
function accepted(subject: string): number[] {
  const own = receiver.requests.filter((webhook) => subjectOf(webhook) === subject);
  return [...new Set(own.map(({ event }) => event.subjectversion as number))];
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

async function waitFor(subject: string, count: number): Promise<void> {
  await eventually(async () => expect(accepted(subject)).toHaveLength(count), 30_000);
}

/** The row of a subject's first delivery, once it has failed. */
async function failedHead(endpointId: string): Promise<string> {
  return eventually(async () => {
    const path = `/v1/endpoints/${endpointId}/deliveries?status=failed`;
    const [head] = (await hub.api('GET', path)).body.data;
    expect(head).toBeDefined();
    return head.id;
  });
}

async function followersInTable(): Promise<number> {
  const { rows } = await hub.database.query('select count(*)::int as n from delivery_followers');
  return rows[0].n;
}

describe('an endpoint with ordering', () => {
  it('gets each subject in order, many subjects at once', async () => {
    await subscribe({ ordering: 'subject' });
    const subjects = upTo(20).map(() => uuidv7());
    await Promise.all(subjects.map((subject) => emitAbout(hub, practiceId, subject, 30)));
    for (const subject of subjects) {
      await waitFor(subject, 30);
      expect(accepted(subject)).toEqual(upTo(30));
    }
    expect(receiver.requests).toHaveLength(600);
  });

  it('holds up only the key that fails, and lets it go on in order', async () => {
    const endpointId = await subscribe({ ordering: 'subject' });
    refused.add(ada);
    await emitAbout(hub, practiceId, ada, 300);
    await emitAbout(hub, practiceId, bob, 50);
    await waitFor(bob, 50);
    expect(accepted(bob)).toEqual(upTo(50));
    expect(accepted(ada)).toEqual([1]);
    await eventually(async () => expect(await followersInTable()).toBe(299));
    refused.delete(ada);
    await hub.api('POST', `/v1/deliveries/${await failedHead(endpointId)}/resend`);
    await waitFor(ada, 300);
    expect(accepted(ada)).toEqual(upTo(300));
    await eventually(async () => expect(await followersInTable()).toBe(0));
    const { body } = await hub.api('GET', `/v1/endpoints/${endpointId}`);
    expect(body).toMatchObject({ lastSequence: 350, pending: 0 });
  });

  it('keeps the order of a whole practice where it asks for that', async () => {
    await subscribe({ ordering: 'practice' });
    for (let version = 1; version <= 40; version += 1) {
      await emitAbout(hub, practiceId, version % 2 ? ada : bob, 1, version);
    }
    await receiver.waitForCount(40);
    expect(receiver.requests.map(({ event }) => event.subjectversion)).toEqual(upTo(40));
  });

  it('goes on in order after another hub has taken over', async () => {
    const endpointId = await subscribe({ ordering: 'subject' });
    refused.add(ada);
    await emitAbout(hub, practiceId, ada, 150);
    await eventually(async () => expect(await followersInTable()).toBe(149));
    await hub.close();
    await startHub();
    await emitAbout(hub, practiceId, ada, 50, 151);
    await eventually(async () => expect(await followersInTable()).toBe(199));
    refused.delete(ada);
    await hub.api('POST', `/v1/deliveries/${await failedHead(endpointId)}/resend`);
    await waitFor(ada, 200);
    expect(accepted(ada)).toEqual(upTo(200));
  });

  it('finds followers whose head was settled by a hub that told nobody', async () => {
    const endpointId = await subscribe({ ordering: 'subject' });
    refused.add(ada);
    await emitAbout(hub, practiceId, ada, 20);
    await eventually(async () => expect(await followersInTable()).toBe(19));
    const head = await failedHead(endpointId);
    await hub.close();
    refused.delete(ada);
    const { Pool } = (await import('pg')).default;
    const pool = new Pool({ connectionString: database.url });
    await pool.query(
      `update deliveries set status = 'delivered', next_attempt_at = null where id = $1`,
      [head],
    );
    await pool.query('delete from delivery_retries');
    await pool.end();
    await startHub();
    await waitFor(ada, 20);
    expect(accepted(ada)).toEqual(upTo(20));
  });

  it('goes on behind a delivery that is given up', async () => {
    await subscribe({ ordering: 'subject', retrySchedule: 'none' });
    receiver.respondWith((_, { event }) => (event.subjectversion === 1 ? 500 : 204));
    await emitAbout(hub, practiceId, ada, 10);
    await waitFor(ada, 10);
    expect(accepted(ada)).toEqual(upTo(10));
    const exhausted = await readEvents(hub.database, `type = 'endpoint.delivery_exhausted'`);
    expect(exhausted.map(({ data }) => data.sequence)).toEqual([1]);
  });

  it('gets what waited, in whatever order, once it wants none', async () => {
    const endpointId = await subscribe({ ordering: 'subject' });
    refused.add(ada);
    await emitAbout(hub, practiceId, ada, 30);
    await eventually(async () => expect(await followersInTable()).toBe(29));
    refused.delete(ada);
    await hub.api(
      'PATCH',
      `/v1/endpoints/${endpointId}`,
      { ordering: 'none' },
      { 'if-match': '*' },
    );
    await hub.api('POST', `/v1/deliveries/${await failedHead(endpointId)}/resend`);
    await waitFor(ada, 30);
  });
});
