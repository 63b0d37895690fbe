import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase } from '../../test/support/postgres.js';
import { Signals } from './signals.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let here: Signals;
let there: Signals;

beforeAll(async () => {
  database = await createTestDatabase();
  [here, there] = [new Signals(database.url), new Signals(database.url)];
  await Promise.all([here.start(), there.start()]);
});
afterAll(async () => {
  await Promise.all([here.stop(), there.stop()]);
  await database.drop();
});

function next(signals: Signals, channel: 'events' | 'deliveries'): Promise<string[] | 'all'> {
  return new Promise((resolve) => {
    const off = signals.on(channel, (keys) => {
      off();
      resolve(keys === 'all' ? keys : [...keys].toSorted());
    });
  });
}

describe('signals', () => {
  it('reach the own process at once and every other one', async () => {
    const heardThere = next(there, 'deliveries');
    let heardHere: unknown;
    const off = here.on('deliveries', (keys) => (heardHere = keys));
    here.emit('deliveries', ['a']);
    expect(heardHere).toEqual(new Set(['a']));
    expect(await heardThere).toEqual(['a']);
    off();
  });

  it('are put together where they come at once', async () => {
    const heard = next(there, 'deliveries');
    for (const key of ['b', 'a', 'b']) here.emit('deliveries', [key]);
    expect(await heard).toEqual(['a', 'b']);
  });

  it('become "all" where there are too many keys for one message', async () => {
    const heard = next(there, 'deliveries');
    here.emit(
      'deliveries',
      Array.from({ length: 5000 }, (_, i) => `key-${i}`),
    );
    expect(await heard).toBe('all');
  });

  it('are repeated as "all" after the connection broke', async () => {
    const heard = next(there, 'events');
    const admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'practice-event-hub signals'`,
    );
    await admin.end();
    expect(await heard).toBe('all');
    const after = next(there, 'events');
    here.emit('events');
    expect(await after).toBe('all');
  });
});
