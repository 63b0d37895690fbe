import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub?.close());

const input = {
  name: 'Elm Street Dental',
  kind: 'dental',
  timeZone: 'America/Chicago',
  currency: 'USD',
};
const post = (change: object, headers: Record<string, string>) =>
  hub.api('POST', '/v1/practices', { ...input, ...change }, headers);
const externalIds = (value: string) => [{ system: 'open-dental', value }];

describe('an Idempotency-Key', () => {
  it('gives the same answer and makes nothing twice', async () => {
    const headers = { 'idempotency-key': 'same' };
    const first = await post({ name: 'Once', externalIds: externalIds('once') }, headers);
    const second = await post({ externalIds: externalIds('once'), name: 'Once' }, headers);
    expect(second).toMatchObject({ status: 201, body: first.body });
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(second.headers.get('etag')).toBe('"1"');
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    const { rows } = await hub.database.query(
      `select count(*)::int as made from practices where name = 'Once'`,
    );
    expect(rows).toEqual([{ made: 1 }]);
  });

  it('belongs to one body', async () => {
    const headers = { 'idempotency-key': 'body' };
    await post({}, headers);
    expect(await post({ name: 'Other' }, headers)).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
  });

  it('of requests at the same time lets one through', async () => {
    const headers = { 'idempotency-key': 'race' };
    const answers = await Promise.all(Array.from({ length: 6 }, () => post({}, headers)));
    const ids = answers.filter(({ status }) => status === 201).map(({ body }) => body.id);
    expect(new Set(ids).size).toBe(1);
    for (const { status, body } of answers.filter((answer) => answer.status !== 201)) {
      expect([status, body.code]).toEqual([409, 'idempotency_key_in_flight']);
    }
  });

  it('of a refused request can be used again', async () => {
    const headers = { 'idempotency-key': 'refused' };
    expect((await post({ kind: 'hospital' }, headers)).status).toBe(422);
    expect((await post({}, headers)).status).toBe(201);
  });

  it('holds for 24 hours', async () => {
    const headers = { 'idempotency-key': 'day' };
    const first = await post({}, headers);
    await hub.database.query(
      `update idempotency_keys set created_at = created_at - interval '24 hours' where key = 'day'`,
    );
    const second = await post({}, headers);
    expect(second.status).toBe(201);
    expect(second.body.id).not.toBe(first.body.id);
  });
});
