import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { aPatient, aPractice } from '../../../test/support/factories-patients.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import {
  arrivalsOf,
  readStream,
  subscribe,
  type Subscriber,
} from '../../../test/support/streams.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';
import { ReplayQueue } from './replay-queue.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let practice: { id: string };
let partner: Subscriber;

beforeAll(async () => {
  [hub, receiver] = await Promise.all([startTestHub(), startWebhookReceiver()]);
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

beforeEach(async () => {
  receiver.respondWith(() => 200);
  practice = await aPractice(hub);
  // Not what is said of the other tests' endpoints, which have the same owner.
  partner = await subscribe(hub, receiver, `/${uuidv7()}`, {
    practiceIds: [practice.id],
    eventTypes: ['patient.*', 'account.*'],
  });
});

const replays = (body: object, headers?: Record<string, string>): Promise<ApiAnswer> =>
  hub.api('POST', `/v1/endpoints/${partner.id}/replays`, body, headers);

async function stateOf(id: string): Promise<any> {
  return (await hub.api('GET', `/v1/endpoints/${partner.id}/replays/${id}`)).body;
}

const everything = { eventTypes: ['*'] };

async function started(body: object): Promise<string> {
  const { status, body: replay } = await replays(body);
  expect(status).toBe(201);
  return replay.id;
}

async function completed(body: object): Promise<any> {
  const id = await started(body);
  return eventually(async () => {
    const replay = await stateOf(id);
    expect(replay.state).toBe('completed');
    return replay;
  });
}

async function matched(body: object): Promise<number> {
  const { status, body: count } = await replays({ ...body, dryRun: true });
  expect(status).toBe(200);
  return count.matched;
}

async function change(input: object): Promise<void> {
  const { status } = await hub.api('PATCH', `/v1/endpoints/${partner.id}`, input, {
    'if-match': '*',
  });
  expect(status).toBe(200);
}

/** Events that the partner has got, and the hub knows it. */
async function delivered(count: number): Promise<string[]> {
  const before = (await readStream(hub, partner)).length;
  const ids = await emitPatientCreated(hub, practice.id, count);
  await settled(before + count, 'delivered');
  return ids;
}

async function settled(count: number, status: string): Promise<void> {
  await eventually(async () => {
    const stream = await readStream(hub, partner);
    expect(stream.filter((delivery) => delivery.status === status)).toHaveLength(count);
  });
}

/** As if the engine had given them up. */
async function giveUp(sequences: number[]): Promise<void> {
  const { rowCount } = await hub.database.query(
    `update deliveries set status = 'dead' where endpoint_id = $1 and sequence = any ($2) and status = 'delivered'`,
    [partner.id, sequences],
  );
  expect(rowCount).toBe(sequences.length);
}

function replayedTo(id: string): [sequence: string, eventId: string, attempt: string][] {
  return arrivalsOf(partner)
    .filter(({ headers }) => headers['hub-replay'] === id)
    .map(({ headers, event }) => [headers['hub-sequence']!, event.id, headers['hub-attempt']!]);
}

describe('a replay of a range', () => {
  it('sends what matches once more, under its numbers, and says so in a header', async () => {
    const ids = await delivered(4);
    await giveUp([2, 4]);
    expect(await matched(everything)).toBe(4);
    expect(await matched({ status: ['dead'] })).toBe(2);
    const replay = await completed({ status: ['dead'] });
    expect(replay).toMatchObject({
      endpointId: partner.id,
      matched: 2,
      sent: 2,
      status: ['dead'],
      missing: false,
      from: null,
      eventTypes: null,
      ratePerSecond: 50,
      finishedAt: expect.any(String),
    });
    await settled(4, 'delivered');
    expect(replayedTo(replay.id).sort()).toEqual([
      ['2', ids[1], '2'],
      ['4', ids[3], '2'],
    ]);
    expect(arrivalsOf(partner).filter(({ verified }) => !verified)).toEqual([]);
    const list = await hub.api('GET', `/v1/endpoints/${partner.id}/deliveries`);
    expect(list.body.data.map(({ replayId }: any) => replayId)).toEqual([
      replay.id,
      null,
      replay.id,
      null,
    ]);
    // It is a first arrival no longer, and none of a replay unless it is replayed again.
    expect(await matched({ status: ['dead'] })).toBe(0);
  });

  it('is of the time and the types that were asked for', async () => {
    await delivered(2);
    const [{ now }] = (await hub.database.query('select clock_timestamp() as now')).rows;
    await delivered(3);
    await aPatient(hub, practice);
    await settled(7, 'delivered');
    const moment = now.toISOString();
    expect(await matched(everything)).toBe(7);
    expect(await matched({ to: moment })).toBe(2);
    expect(await matched({ from: moment })).toBe(5);
    expect(await matched({ from: moment, eventTypes: ['account.*'] })).toBe(1);
    expect(await matched({ eventTypes: ['patient.created', 'account.created'] })).toBe(7);
    expect(await matched({ eventTypes: ['payment.*'] })).toBe(0);
    const replay = await completed({ to: moment, ratePerSecond: 1000 });
    expect(replay).toMatchObject({ matched: 2, sent: 2, to: moment });
  });

  it('leaves out what is withheld, and what was never attempted', async () => {
    await delivered(3);
    await hub.database.query(
      `update deliveries set status = 'withheld', withheld_reason = 'revoked' where endpoint_id = $1 and sequence = 2`,
      [partner.id],
    );
    await change({ url: 'http://127.0.0.1:9/', enabled: false });
    await hub.database.query(
      `insert into deliveries (id, endpoint_id, sequence, event_id, event_type)
       values (hub_uuid_v7(), $1, 4, gen_random_uuid(), 'patient.created')`,
      [partner.id],
    );
    expect(await matched({ status: ['delivered', 'dead', 'failed'] })).toBe(2);
  });

  it('makes failed ones due now', async () => {
    receiver.respondWith(() => 503);
    await emitPatientCreated(hub, practice.id, 2);
    await settled(2, 'failed');
    receiver.respondWith(() => 200);
    await hub.database.query(
      `update delivery_retries set next_attempt_at = now() + interval '1 day' where endpoint_id = $1`,
      [partner.id],
    );
    const replay = await completed({ status: ['failed'] });
    await settled(2, 'delivered');
    expect(replayedTo(replay.id)).toHaveLength(2);
  });

  it('is told to the other endpoints of the owner', async () => {
    await delivered(1);
    const watcher = await subscribe(hub, receiver, `/${uuidv7()}`, { eventTypes: ['endpoint.*'] });
    const { id } = await completed(everything);
    const { event } = await receiver.waitFor(
      ({ path, event }) => path === watcher.path && event.type === 'endpoint.replay_completed',
    );
    expect(event.data).toMatchObject({
      endpointId: partner.id,
      replayId: id,
      matched: 1,
      sent: 1,
      state: 'completed',
    });
  });
});

describe('a running replay', () => {
  it('is the only one, keeps to its rate, and stops when it is cancelled', async () => {
    await delivered(30);
    const id = await started({ ...everything, ratePerSecond: 1 });
    await eventually(async () => expect((await stateOf(id)).sent).toBeGreaterThan(0));
    expect(await replays(everything)).toMatchObject({
      status: 409,
      body: { code: 'replay_running' },
    });
    const path = `/v1/endpoints/${partner.id}/replays/${id}/cancel`;
    const { status, body } = await hub.api('POST', path);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id, state: 'cancelled', matched: 30 });
    expect(body.sent).toBeLessThan(30);
    expect((await hub.api('POST', path)).body).toMatchObject({ state: 'cancelled' });
    const next = await completed({ ...everything, ratePerSecond: 1000 });
    expect(next.sent).toBe(30);
    expect(await stateOf(id)).toMatchObject({ state: 'cancelled', sent: body.sent });
    const again = await hub.api('POST', `/v1/endpoints/${partner.id}/replays/${next.id}/cancel`);
    expect(again).toMatchObject({ status: 409, body: { code: 'replay_finished' } });
    const list = await hub.api('GET', `/v1/endpoints/${partner.id}/replays?limit=1`);
    expect(list.body.data.map((replay: any) => replay.id)).toEqual([next.id]);
    const rest = await hub.api(
      'GET',
      `/v1/endpoints/${partner.id}/replays?after=${list.body.nextCursor}`,
    );
    expect(rest.body).toMatchObject({ data: [{ id }], nextCursor: null });
  });

  it('waits while its endpoint is disabled, and ends with it', async () => {
    await delivered(10);
    const id = await started({ ...everything, ratePerSecond: 1 });
    await eventually(async () => expect((await stateOf(id)).sent).toBeGreaterThan(0));
    await change({ enabled: false });
    const { sent } = await stateOf(id);
    // As the runner would, with all the allowance in the world.
    const { rows } = await hub.database.query(`select * from leases where name = 'replays'`);
    const replay = { id, endpointId: partner.id, missing: false };
    expect(await hub.app.get(ReplayQueue).step(rows[0], replay, 10, 10)).toEqual({ queued: 0 });
    await hub.database.query('update replays set rate_per_second = 1000 where id = $1', [id]);
    await change({ enabled: true });
    await eventually(async () => {
      expect(await stateOf(id)).toMatchObject({ state: 'completed', sent: 10 });
    });
    expect(sent).toBeLessThan(10);
    const other = await started({ ...everything, ratePerSecond: 1 });
    await hub.api('DELETE', `/v1/endpoints/${partner.id}`, undefined, { 'if-match': '*' });
    await eventually(async () => {
      const { rows } = await hub.database.query('select state from replays where id = $1', [other]);
      expect(rows).toEqual([{ state: 'cancelled' }]);
    });
  });

  it('gathers no more than a bounded number before an endpoint that does not take them', async () => {
    await delivered(1);
    // Held up by its circuit, say: nothing of it leaves the queue.
    await hub.database.query(
      `insert into deliveries (id, endpoint_id, sequence, event_id, event_type, status, attempts, last_attempt_at,
         last_duration_ms, last_outcome)
       select hub_uuid_v7(), endpoint_id, sequence + n, event_id, event_type, 'dead', 9, now(), 1, 'timeout'
       from deliveries, generate_series(1, 4000) as n where endpoint_id = $1`,
      [partner.id],
    );
    receiver.respondWith(() => ({ status: 200, delayMs: 60_000 }));
    await hub.database.query(
      `update endpoint_counters set last_sequence = 4001 where endpoint_id = $1`,
      [partner.id],
    );
    const id = await started({ status: ['dead'], ratePerSecond: 1000 });
    const most = 2500;
    await eventually(async () => expect((await stateOf(id)).sent).toBeGreaterThan(most - 1000));
    // Two more rounds at the full rate would pass it.
    const { version } = await stateOf(id);
    await eventually(async () => {
      const replay = await stateOf(id);
      expect(replay.sent === most || replay.version > version + 5).toBe(true);
    });
    expect((await stateOf(id)).sent).toBeLessThanOrEqual(most);
    await hub.api('POST', `/v1/endpoints/${partner.id}/replays/${id}/cancel`);
    await hub.api('DELETE', `/v1/endpoints/${partner.id}`, undefined, { 'if-match': '*' });
  });
});
