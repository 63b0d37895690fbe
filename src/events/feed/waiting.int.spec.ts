import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication, type Client } from '../../../test/support/applications.js';
import { eventually } from '../../../test/support/eventually.js';
import { aPatient, aPractice } from '../../../test/support/factories-patients.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { readFeedHeadersSql } from '../log/sql/read-log.js';

let hub: TestHub;
let practice: any;
let other: any;

beforeAll(async () => {
  hub = await startTestHub();
  [practice, other] = [await aPractice(hub), await aPractice(hub)];
});
afterAll(() => hub.close());

/** A request that has looked for news, found none, and waits for them. */
async function waiting({ api }: Client): Promise<{ answer: Promise<ApiAnswer> }> {
  let cursor = (await api('GET', '/v1/events?limit=200')).body.nextCursor;
  // Facts of the practices' own making may still be on their way.
  cursor = (await api('GET', `/v1/events?limit=200&after=${cursor}`)).body.nextCursor;
  const { rows } = await hub.database.query('select clock_timestamp()::text as asked');
  const answer = api('GET', `/v1/events?after=${cursor}&wait=20`);
  await eventually(() => expectLookedSince(rows[0].asked));
  return { answer };
}

/** As PostgreSQL saw it: the feed's read came, and is done. What is signalled from then on ends the wait. */
async function expectLookedSince(asked: string): Promise<void> {
  const { rows } = await hub.database.query(
    `select from pg_stat_activity
     where datname = current_database() and query = $1 and query_start > $2 and state like 'idle%'`,
    [readFeedHeadersSql, asked],
  );
  expect(rows).not.toEqual([]);
}

describe('who waits for events', () => {
  it('is let go at once where the key is revoked meanwhile', async () => {
    const application = await anApplication(hub, [practice]);
    const client = await asApplication(hub, application);
    const { answer } = await waiting(client);
    const revokedAt = performance.now();
    await hub.api('DELETE', `/v1/applications/${application.id}/keys/${client.keyId}`);
    const { status, body } = await answer;
    expect([status, body.code]).toEqual([401, 'unauthorized']);
    expect(performance.now() - revokedAt).toBeLessThan(5_000);
  });

  it('hears nothing of a practice that is out of reach by then', async () => {
    const application = await anApplication(hub, [practice, other]);
    const client = await asApplication(hub, application);
    const { answer } = await waiting(client);
    const path = `/v1/applications/${application.id}`;
    await hub.api('PATCH', path, { practiceIds: [other.id] }, { 'if-match': '*' });
    await aPatient(hub, practice);
    const patient = await aPatient(hub, other);
    const { body } = await answer;
    const subjects = body.data.map(({ practiceid }: { practiceid: string }) => practiceid);
    expect([...new Set(subjects)]).toEqual([other.id]);
    expect(JSON.stringify(body)).toContain(patient.id);
  });
});
