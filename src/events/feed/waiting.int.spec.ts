import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication, type Client } from '../../../test/support/applications.js';
import { aPatient, aPractice } from '../../../test/support/factories-patients.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';

let hub: TestHub;
let practice: any;
let other: any;

beforeAll(async () => {
  hub = await startTestHub();
  [practice, other] = [await aPractice(hub), await aPractice(hub)];
});
afterAll(() => hub.close());

/** A request that waits for news for half a minute, which has been asked before this returns. */
async function waiting({ api }: Client): Promise<{ answer: Promise<ApiAnswer> }> {
  let cursor = (await api('GET', '/v1/events?limit=200')).body.nextCursor;
  // Facts of the practices' own making may still be on their way.
  cursor = (await api('GET', `/v1/events?limit=200&after=${cursor}`)).body.nextCursor;
  const answer = api('GET', `/v1/events?after=${cursor}&wait=20`);
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { answer };
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
