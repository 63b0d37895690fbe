import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { aPatient, aPractice } from '../../../test/support/factories-patients.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { subscribe, type Subscriber } from '../../../test/support/streams.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';

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
  practice = await aPractice(hub);
  // Not what is said of the other tests' endpoints, which have the same owner.
  partner = await subscribe(hub, receiver, `/${uuidv7()}`, {
    practiceIds: [practice.id],
    eventTypes: ['patient.*', 'account.*'],
  });
});

const feed = (query = ''): Promise<ApiAnswer> =>
  hub.api('GET', `/v1/endpoints/${partner.id}/events${query}`);
const manifest = (query = ''): Promise<ApiAnswer> =>
  hub.api('GET', `/v1/endpoints/${partner.id}/manifest${query}`);

async function untilNumbered(count: number): Promise<void> {
  await eventually(async () => {
    expect((await hub.api('GET', `/v1/endpoints/${partner.id}`)).body.lastSequence).toBe(count);
  });
}

/** Events numbered for the partner, which never get out. */
async function numbered(count: number, data: object = {}): Promise<string[]> {
  await hub.api(
    'PATCH',
    `/v1/endpoints/${partner.id}`,
    { url: 'http://127.0.0.1:9/' },
    { 'if-match': '*' },
  );
  const ids = await emitPatientCreated(hub, practice.id, count, data);
  await untilNumbered(count);
  return ids;
}

function hashOf(lines: readonly string[]): string {
  return createHash('sha256')
    .update(lines.map((line) => `${line}\n`).join(''))
    .digest('hex');
}

async function withhold(sequence: number, reason: string): Promise<void> {
  const { rowCount } = await hub.database.query(
    `update deliveries set status = 'withheld', withheld_reason = $3, next_attempt_at = null
     where endpoint_id = $1 and sequence = $2`,
    [partner.id, sequence, reason],
  );
  expect(rowCount).toBe(1);
}

describe("an endpoint's stream as a feed", () => {
  it.each(['full', 'minimum', 'thin'])('says what the webhooks say, in mode %s', async (mode) => {
    await hub.api(
      'PATCH',
      `/v1/endpoints/${partner.id}`,
      { payloadMode: mode },
      { 'if-match': '*' },
    );
    for (const givenName of ['Ada', 'Grace', 'Edsger'])
      await aPatient(hub, practice, { givenName });
    await untilNumbered(6);
    const { status, headers, body } = await feed();
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(body.nextCursor).toBe('6');
    for (const { sequence, event } of body.data) {
      const webhook = await receiver.waitFor(
        ({ path, headers }) =>
          path === partner.path && headers['hub-sequence'] === String(sequence),
      );
      expect(webhook.verified).toBe(true);
      expect(event).toEqual(webhook.event);
      expect(event).toMatchObject({ hubendpoint: partner.id, hubsequence: String(sequence) });
    }
    expect(body.data.map(({ sequence }: any) => sequence)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('goes on after a number, and always says from where', async () => {
    const ids = await numbered(5);
    const first = await feed('?limit=2');
    expect(first.body.data.map(({ event }: any) => event.id)).toEqual(ids.slice(0, 2));
    const second = await feed(`?limit=2&after=${first.body.nextCursor}`);
    expect(second.body.data.map(({ event }: any) => event.id)).toEqual(ids.slice(2, 4));
    const third = await feed(`?limit=2&after=${second.body.nextCursor}`);
    expect(third.body).toMatchObject({ data: [{ sequence: 5 }], nextCursor: '5' });
    expect((await feed('?after=5')).body).toEqual({ data: [], nextCursor: '5' });
  });

  it('pages in the order of numbers, not of texts', async () => {
    const ids = await numbered(23);
    const seen: [number, string][] = [];
    for (let after = '0'; after !== '23';) {
      const { body } = await feed(`?limit=4&after=${after}`);
      seen.push(...body.data.map(({ sequence, event }: any) => [sequence, event?.id]));
      after = body.nextCursor;
    }
    expect(seen).toEqual(ids.map((id, i) => [i + 1, id]));
  });

  it('shows what is withheld, and why', async () => {
    const ids = await numbered(3);
    await withhold(2, 'revoked');
    const { body } = await feed();
    expect(
      body.data.map(({ sequence, event, withheld }: any) => [sequence, event?.id, withheld]),
    ).toEqual([
      [1, ids[0], undefined],
      [2, undefined, 'revoked'],
      [3, ids[2], undefined],
    ]);
  });

  it('shows what retention has dropped as expired, with and without its delivery', async () => {
    const ids = await numbered(4);
    await hub.database.query('delete from deliveries where endpoint_id = $1 and sequence < 3', [
      partner.id,
    ]);
    await hub.database.query('delete from events where id = $1', [ids[2]]);
    const { body } = await feed();
    expect(body.data.slice(0, 3)).toEqual(
      [1, 2, 3].map((sequence) => ({ sequence, withheld: 'expired' })),
    );
    expect(body.data[3].event.id).toBe(ids[3]);
    expect((await feed('?limit=1&after=1')).body).toEqual({
      data: [{ sequence: 2, withheld: 'expired' }],
      nextCursor: '2',
    });
    await hub.database.query('delete from deliveries where endpoint_id = $1', [partner.id]);
    expect((await feed('?after=2')).body.nextCursor).toBe('4');
  });

  it('works while the endpoint is disabled', async () => {
    await numbered(2);
    await hub.api('PATCH', `/v1/endpoints/${partner.id}`, { enabled: false }, { 'if-match': '*' });
    expect((await feed()).body.data).toHaveLength(2);
  });

  it('shows a number only with all before it', async () => {
    await numbered(2);
    const fanOut = await hub.database.connect();
    try {
      await fanOut.query('begin');
      await fanOut.query('select from endpoint_counters where endpoint_id = $1 for update', [
        partner.id,
      ]);
      await fanOut.query(
        `insert into deliveries (id, endpoint_id, sequence, event_id, event_type)
         values (hub_uuid_v7(), $1, 3, gen_random_uuid(), 'patient.created')`,
        [partner.id],
      );
      expect((await feed()).body.nextCursor).toBe('2');
      expect((await manifest()).body.toSequence).toBe(2);
    } finally {
      await fanOut.query('rollback');
      fanOut.release();
    }
  });

  it('ends a page of very large events early, and goes on after it', async () => {
    // A field of the catalogue, since only those are shown.
    const ids = await numbered(40, { givenName: 'x'.repeat(200_000) });
    const seen: number[] = [];
    for (let after = '0'; after !== '40';) {
      const { body } = await feed(`?limit=1000&after=${after}`);
      expect(body.data.length).toBeGreaterThan(0);
      expect(body.data.length).toBeLessThan(30);
      seen.push(...body.data.map(({ sequence }: any) => sequence));
      after = body.nextCursor;
    }
    expect(seen).toEqual(ids.map((_, i) => i + 1));
  });

  it('refuses what is no number of this stream', async () => {
    await numbered(1);
    for (const query of ['?after=x', '?after=-1', '?limit=0', '?limit=1001']) {
      expect((await feed(query)).status).toBe(422);
    }
    expect(await feed('?after=2')).toMatchObject({ status: 410, body: { code: 'cursor_ahead' } });
    expect((await hub.api('GET', `/v1/endpoints/${uuidv7()}/events`)).status).toBe(404);
    await hub.api('DELETE', `/v1/endpoints/${partner.id}`, undefined, { 'if-match': '*' });
    expect((await feed()).status).toBe(404);
    expect((await manifest()).status).toBe(404);
  });
});

const sequences = 'toSequence must be a whole number from 0 to 999999999999999';
it.each([
  ['events?after=-1', 'matches', expect.stringMatching(/^after must be a sequence number/)],
  ['manifest?toSequence=99999999999999999999', 'max', sequences],
  ['manifest?toSequence=1e3', 'not_int', sequences],
])('says in words and with the range what was to be given: %s', async (path, code, detail) => {
  const { status, body } = await hub.api('GET', `/v1/endpoints/${partner.id}/${path}`);
  expect([status, body.errors]).toMatchObject([422, [{ code, detail }]]);
});

describe('the manifest', () => {
  it('counts and hashes the numbers, whatever became of them', async () => {
    const ids = await numbered(4);
    await withhold(3, 'erased');
    const lines = [`1 ${ids[0]}`, `2 ${ids[1]}`, '3 -', `4 ${ids[3]}`];
    const { status, body } = await manifest();
    expect(status).toBe(200);
    expect(body).toEqual({ fromSequence: 1, toSequence: 4, count: 4, hash: hashOf(lines) });
    expect((await manifest('?fromSequence=2&toSequence=3')).body).toEqual({
      fromSequence: 2,
      toSequence: 3,
      count: 2,
      hash: hashOf(lines.slice(1, 3)),
    });
  });

  it('of nothing is the hash of nothing', async () => {
    const nothing = { count: 0, hash: hashOf([]) };
    expect((await manifest()).body).toEqual({ fromSequence: 1, toSequence: 0, ...nothing });
    await numbered(1);
    expect((await manifest('?fromSequence=2')).body).toMatchObject({ toSequence: 1, ...nothing });
  });

  it('counts a dead delivery as withheld once its event is gone, and a delivered one as received', async () => {
    const ids = await numbered(2);
    await hub.api('PATCH', `/v1/endpoints/${partner.id}`, { enabled: false }, { 'if-match': '*' });
    await hub.database.query(
      `update deliveries set status = case sequence when 1 then 'dead' else 'delivered' end, attempts = 1,
         next_attempt_at = null, last_attempt_at = now() where endpoint_id = $1`,
      [partner.id],
    );
    expect((await manifest()).body.hash).toBe(hashOf([`1 ${ids[0]}`, `2 ${ids[1]}`]));
    await hub.database.query('delete from events where id = any ($1::uuid[])', [ids]);
    expect((await manifest()).body.hash).toBe(hashOf(['1 -', `2 ${ids[1]}`]));
  });

  it('is read in pieces, over any number of partitions', async () => {
    const eventIds = Array.from({ length: 25_000 }, () => uuidv7());
    await hub.database.query(
      `insert into deliveries (id, endpoint_id, sequence, event_id, event_type)
       select hub_uuid_v7(), $1, n, id, 'patient.created'
       from unnest($2::uuid[]) with ordinality as e (id, n)`,
      [partner.id, eventIds],
    );
    await hub.database.query(
      'update endpoint_counters set last_sequence = 25000 where endpoint_id = $1',
      [partner.id],
    );
    const { body } = await manifest();
    expect(body).toMatchObject({
      count: 25_000,
      hash: hashOf(eventIds.map((id, i) => `${i + 1} ${id}`)),
    });
  });

  it('refuses a stretch that is too long, not given out, or past retention', async () => {
    await numbered(3);
    await hub.database.query(
      'update endpoint_counters set last_sequence = 200000 where endpoint_id = $1',
      [partner.id],
    );
    const code = async (query: string) => {
      const { status, body } = await manifest(query);
      return [status, body.errors?.[0]?.code ?? body.code];
    };
    expect(await code('')).toEqual([422, 'too_long']);
    expect(await code('?toSequence=100001')).toEqual([422, 'too_long']);
    expect(await code('?toSequence=200001')).toEqual([422, 'not_given_out']);
    expect(await code('?fromSequence=5&toSequence=3')).toEqual([422, 'behind_the_end']);
    await hub.database.query('delete from deliveries where endpoint_id = $1 and sequence = 1', [
      partner.id,
    ]);
    const expired = await manifest('?toSequence=3');
    expect(expired).toMatchObject({
      status: 410,
      body: { code: 'sequence_expired', firstSequence: 2 },
    });
    expect((await manifest('?fromSequence=2&toSequence=3')).status).toBe(200);
  });
});
