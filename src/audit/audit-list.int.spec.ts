import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication, type Client } from '../../test/support/applications.js';
import { aPatient, aPractice } from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let practice: any;
let other: any;
let application: any;
let client: Client;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  other = await aPractice(hub);
  for (const each of [practice, other, practice]) await aPatient(hub, each);
  application = await anApplication(hub, [practice]);
  client = await asApplication(hub, application);
  for (let n = 0; n < 3; n += 1) await client.api('GET', `/v1/practices/${practice.id}/patients`);
});
afterAll(() => hub.close());

async function lines(query: string): Promise<any[]> {
  const headers = { authorization: `Bearer ${hub.key}`, accept: 'application/x-ndjson' };
  const answer = await fetch(`${hub.url}/v1/audit${query}`, { headers });
  expect(answer.headers.get('content-type')).toMatch(/^application\/x-ndjson/);
  const text = await answer.text();
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

const idsOf = (entries: { id: string }[]) => entries.map(({ id }) => id);

describe('GET /v1/audit', () => {
  it('shows the operator everything, page by page in order of writing', async () => {
    const seen: any[] = [];
    for (let after = ''; ;) {
      const { body } = await hub.api('GET', `/v1/audit?limit=5${after}&to=2100-01-01T00:00:00Z`);
      seen.push(...body.data);
      if (body.nextCursor === null) break;
      after = `&after=${body.nextCursor}`;
    }
    expect(idsOf(seen)).toEqual(idsOf(seen).sort());
    expect(new Set(idsOf(seen)).size).toBe(seen.length);
    // Looking at it is on record as well.
    expect(seen.filter(({ action }) => action === 'audit.read').length).toBeGreaterThan(1);
    expect(seen.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['practice.created', 'patient.created', 'setting.changed']),
    );
  });

  it('shows an application what concerns its practices, and nothing of others', async () => {
    const { body } = await client.api('GET', '/v1/audit?limit=200');
    expect(body.data.length).toBeGreaterThan(3);
    for (const entry of body.data) expect(entry.practiceId).toBe(practice.id);
    const foreign = await client.api('GET', `/v1/audit?practiceId=${other.id}`);
    const none = await client.api('GET', `/v1/audit?practiceId=${crypto.randomUUID()}`);
    expect([foreign.status, none.status]).toEqual([404, 404]);
  });

  it('finds by actor, practice and time', async () => {
    const actor = `applications/${application.id}`;
    const { body } = await hub.api('GET', `/v1/audit?actor=${actor}&limit=200`);
    expect(body.data.length).toBeGreaterThanOrEqual(3);
    for (const entry of body.data) expect(entry.actor).toBe(actor);
    const [first] = body.data;
    const from = await hub.api('GET', `/v1/audit?actor=${actor}&from=${first.at}&limit=1`);
    expect(from.body.data).toEqual([first]);
    const before = await hub.api('GET', `/v1/audit?actor=${actor}&to=${first.at}`);
    expect(before.body.data).toEqual([]);
    const both = await hub.api('GET', `/v1/audit?actor=${actor}&practiceId=${other.id}`);
    expect(both.body.data).toEqual([]);
  });

  it('is a line of JSON each where that is asked for, all of it', async () => {
    const all = await lines('');
    const { rows } = await hub.database.query('select count(*)::int as count from audit_entries');
    expect(all.length).toBeGreaterThan(10);
    // What was read meanwhile is in it or not.
    expect(rows[0].count - all.length).toBeLessThan(3);
    const ofPractice = await lines(`?practiceId=${practice.id}`);
    expect(ofPractice.every(({ practiceId }) => practiceId === practice.id)).toBe(true);
  });

  it('refuses a cursor that it did not give', async () => {
    const { status, body } = await hub.api('GET', '/v1/audit?after=x');
    expect([status, body.errors[0].parameter]).toEqual([422, 'after']);
  });
});
