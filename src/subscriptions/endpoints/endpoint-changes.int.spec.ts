import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../../test/support/start-hub.js';
import { Signals } from '../../database/signals.js';
import { shardOf } from '../deliveries/shard-owner.js';

let hub: TestHub;
let practiceId: string;

beforeAll(async () => {
  hub = await startTestHub();
  const practice = {
    name: 'Elm Street',
    kind: 'dental',
    timeZone: 'America/Chicago',
    currency: 'USD',
  };
  practiceId = (await hub.api('POST', '/v1/practices', practice)).body.id;
});
afterAll(() => hub.close());

const valid = { url: 'https://partner.example.com/hook', eventTypes: ['patient.*'] };

async function create(input: object = {}): Promise<ApiAnswer> {
  return hub.api('POST', '/v1/endpoints', { ...valid, ...input });
}

function change(endpoint: { id: string; version: number }, body: object): Promise<ApiAnswer> {
  return hub.api('PATCH', `/v1/endpoints/${endpoint.id}`, body, {
    'if-match': `"${endpoint.version}"`,
  });
}

function remove(endpoint: { id: string; version: number }): Promise<ApiAnswer> {
  return hub.api('DELETE', `/v1/endpoints/${endpoint.id}`, undefined, {
    'if-match': `"${endpoint.version}"`,
  });
}

async function setVersion(): Promise<number> {
  const { rows } = await hub.database.query('select version from endpoint_set_version');
  return Number(rows[0].version);
}

/** Lets the calls go on together only once all of them wait for the endpoint's row. */
async function meeting(id: string, calls: (() => Promise<ApiAnswer>)[]): Promise<ApiAnswer[]> {
  const holder = await hub.database.connect();
  try {
    await holder.query('begin');
    await holder.query('select from endpoints where id = $1 for update', [id]);
    const answers = calls.map((call) => call());
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      expect(rows).toHaveLength(calls.length);
    });
    await holder.query('commit');
    return await Promise.all(answers);
  } finally {
    holder.release();
  }
}

describe('a change', () => {
  it('holds to the version its author has read', async () => {
    const { body: endpoint } = await create();
    const path = `/v1/endpoints/${endpoint.id}`;
    expect((await hub.api('PATCH', path, { description: 'x' })).status).toBe(428);
    const both = await meeting(endpoint.id, [
      () => change(endpoint, { description: 'a' }),
      () => change(endpoint, { description: 'b' }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
    const { body, headers } = await hub.api('GET', path);
    expect(body.version).toBe(2);
    expect(headers.get('etag')).toBe('"2"');
    expect((await hub.api('DELETE', path)).status).toBe(428);
    expect((await remove(endpoint)).status).toBe(412);
  });

  it('touches only what it names, and clears what may be empty', async () => {
    const { body: endpoint } = await create({ practiceIds: [practiceId], description: 'x' });
    const moved = await change(endpoint, { url: 'https://other.example.com/' });
    const { secret: _, ...before } = endpoint;
    expect(moved.body).toEqual({
      ...before,
      url: 'https://other.example.com/',
      version: 2,
      updatedAt: expect.any(String),
    });
    const cleared = await change(moved.body, { practiceIds: null, description: null });
    expect(cleared.body).toMatchObject({ practiceIds: null, description: null, version: 3 });
  });

  it('tells every hub to look anew, unless nothing it goes by has changed', async () => {
    const before = await setVersion();
    const { body: endpoint } = await create();
    expect(await setVersion()).toBe(before + 1);
    const described = await change(endpoint, { description: 'x' });
    expect(await setVersion()).toBe(before + 1);
    const widened = await change(described.body, { eventTypes: ['*'] });
    expect(await setVersion()).toBe(before + 2);
    await remove(widened.body);
    expect(await setVersion()).toBe(before + 3);
    // What is refused changes nothing.
    await create({ eventTypes: ['nothing.*'] });
    expect(await setVersion()).toBe(before + 3);
  });

  it('wakes whoever sends for the endpoint', async () => {
    const told = new Set<string>();
    const off = hub.app.get(Signals).on('deliveries', (keys) => {
      if (keys !== 'all') for (const key of keys) told.add(key);
    });
    const { body: endpoint } = await create({ enabled: false });
    const shard = String(shardOf(endpoint.id));
    await change(endpoint, { description: 'x' });
    expect(told).not.toContain(shard);
    await change({ ...endpoint, version: 2 }, { enabled: true });
    expect(told).toContain(shard);
    off();
  });
});

describe('a deletion', () => {
  it('leaves a tombstone without a secret', async () => {
    const { body: endpoint } = await create();
    const gone = await remove(endpoint);
    expect(gone.status).toBe(204);
    expect(gone.body).toBeUndefined();
    const path = `/v1/endpoints/${endpoint.id}`;
    expect((await hub.api('GET', path)).status).toBe(404);
    expect((await hub.api('GET', `${path}/deliveries`)).status).toBe(404);
    expect((await change(endpoint, { enabled: true })).status).toBe(404);
    expect((await remove({ ...endpoint, version: 2 })).status).toBe(404);

    const list = async (query: string) =>
      (await hub.api('GET', `/v1/endpoints?limit=200${query}`)).body.data;
    const ids = (await list('')).map(({ id }: any) => id);
    expect(ids).not.toContain(endpoint.id);
    const tombstone = (await list('&includeDeleted=true')).find(
      ({ id }: any) => id === endpoint.id,
    );
    expect(tombstone).toMatchObject({
      status: 'disabled',
      version: 2,
      deletedAt: expect.any(String),
    });
    const { rows } = await hub.database.query(
      'select from endpoint_secrets where endpoint_id = $1',
      [endpoint.id],
    );
    expect(rows).toEqual([]);
  });
});
