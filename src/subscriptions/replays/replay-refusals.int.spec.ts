import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';

/*
 * A replay that cannot be.
 */

let hub: TestHub;
let endpointId: string;

beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.close());

async function createEndpoint(): Promise<string> {
  const input = { url: 'http://127.0.0.1:9/', eventTypes: ['patient.*'] };
  return (await hub.api('POST', '/v1/endpoints', input)).body.id;
}

beforeEach(async () => {
  endpointId = await createEndpoint();
});

const replays = (body: object, headers?: Record<string, string>): Promise<ApiAnswer> =>
  hub.api('POST', `/v1/endpoints/${endpointId}/replays`, body, headers);

const dead = { status: ['dead'] };

async function pointers(body: object): Promise<string[]> {
  const answer = await replays(body);
  expect(answer.status).toBe(422);
  return answer.body.errors.map(({ pointer }: any) => pointer);
}

it('names what is wrong with it', async () => {
  const [early, late] = ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'];
  expect(await pointers({ from: late, to: early, eventTypes: ['patient*'] })).toEqual([
    '/to',
    '/eventTypes/0',
  ]);
  expect(await pointers({ status: ['withheld'] })).toEqual(['/status/0']);
  expect(await pointers({ missing: true, status: ['dead'] })).toEqual(['/status']);
  expect(await pointers({ ratePerSecond: 1001 })).toEqual(['/ratePerSecond']);
  expect(await pointers({ form: early })).toEqual(['/form']);
  expect(await pointers({ dryRun: true, from: late, to: early })).toEqual(['/to']);
});

it('knows the types that endpoints know, and says of another that the hub emits none', async () => {
  for (const dryRun of [false, true]) {
    const answer = await replays({ dryRun, eventTypes: ['patient.*', 'nonsense.*', 'patient.x'] });
    expect([answer.status, answer.body.errors]).toMatchObject([
      422,
      [
        { pointer: '/eventTypes/1', code: 'unknown_event_type' },
        { pointer: '/eventTypes/2', code: 'unknown_event_type' },
      ],
    ]);
  }
});

it('does not take silence for everything', async () => {
  for (const body of [{}, { missing: false }, { ratePerSecond: 5 }, { dryRun: true }]) {
    const answer = await replays(body);
    expect([answer.status, answer.body.errors]).toEqual([
      422,
      [expect.objectContaining({ pointer: '/from', code: 'nothing_chosen' })],
    ]);
    expect(answer.body.errors[0].detail).toMatch(/"missing": true/);
  }
  const { body } = await hub.api('GET', `/v1/endpoints/${endpointId}/replays`);
  expect(body.data).toEqual([]);
});

it('is a conflict for a disabled endpoint, though it can be counted', async () => {
  const path = `/v1/endpoints/${endpointId}`;
  await hub.api('PATCH', path, { enabled: false }, { 'if-match': '*' });
  expect(await replays(dead)).toMatchObject({ status: 409, body: { code: 'endpoint_disabled' } });
  expect(await replays({ ...dead, dryRun: true })).toMatchObject({
    status: 200,
    body: { matched: 0 },
  });
});

it('is 404 where there is no such endpoint or replay', async () => {
  const { id } = (await replays(dead)).body;
  const other = await createEndpoint();
  for (const path of [`${other}/replays/${id}`, `${endpointId}/replays/${uuidv7()}`]) {
    expect((await hub.api('GET', `/v1/endpoints/${path}`)).status).toBe(404);
    expect((await hub.api('POST', `/v1/endpoints/${path}/cancel`)).status).toBe(404);
  }
  const none = `/v1/endpoints/${uuidv7()}/replays`;
  expect((await hub.api('POST', none, dead)).status).toBe(404);
  expect((await hub.api('POST', none, { ...dead, dryRun: true })).status).toBe(404);
  expect((await hub.api('GET', none)).status).toBe(404);
});

it('happens once under one Idempotency-Key', async () => {
  const key = { 'idempotency-key': uuidv7() };
  const first = await replays(dead, key);
  expect(first.headers.get('location')).toMatch(new RegExp(`/replays/${first.body.id}$`));
  expect((await replays(dead, key)).body).toEqual(first.body);
});
