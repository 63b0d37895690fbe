import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { openBusStage, type BusStage } from '../../../../test/support/bus-stage.js';
import { EnginePool } from '../../../database/engine-pool.js';
import { logStart, type Position } from '../../position.js';
import { RelayFenced, RelayStore } from './relay-store.js';

const at = (seq: number): Position => ({ generation: 1, xactId: '7', seq: String(seq) });

describe("the relay's state", () => {
  let stage: BusStage;
  let pool: EnginePool;
  let store: RelayStore;

  beforeAll(async () => {
    stage = await openBusStage();
    pool = new EnginePool(stage.url, 20);
    store = new RelayStore(pool);
  });
  afterAll(async () => {
    await pool.end();
    await stage.close();
  });
  beforeEach(async () => {
    await stage.database.query('delete from relay_state; delete from relay_partitions');
    await store.found('t', 2);
    await store.takeOver('5');
  });

  it('is made once, and keeps its number of partitions', async () => {
    expect(await Promise.all([store.found('t', 3), store.found('t', 4)])).toEqual([2, 2]);
    const published = [1, 2].map(() => ({ position: logStart, ackedOffset: -1 }));
    expect(await store.load()).toEqual({ topic: 't', cursor: logStart, lap: 1, published });
  });

  it('moves with what was acknowledged', async () => {
    const acknowledged = [{ partition: 1, position: at(9), offset: 41 }];
    expect(await store.move('5', logStart, at(10), acknowledged)).toBe(false);
    expect(await store.move('5', at(10), at(11), [])).toBe(false);
    expect(await store.load()).toMatchObject({
      cursor: at(11),
      published: [{ ackedOffset: -1 }, { position: at(9), ackedOffset: 41 }],
    });
  });

  it('is closed to a relay whose lease has passed to another', async () => {
    await store.takeOver('6');
    await expect(store.takeOver('5')).rejects.toThrow(RelayFenced);
    const acknowledged = [{ partition: 0, position: at(1), offset: 0 }];
    await expect(store.move('5', logStart, at(1), acknowledged)).rejects.toThrow(RelayFenced);
    await expect(store.replace('5', await store.load())).rejects.toThrow(RelayFenced);
    expect(await store.load()).toMatchObject({
      cursor: logStart,
      published: [{ ackedOffset: -1 }, {}],
    });
  });

  it('does not move from where it does not stand', async () => {
    await expect(store.move('5', at(3), at(4), [])).rejects.toThrow(RelayFenced);
    expect((await store.load()).cursor).toEqual(logStart);
  });

  it('hears of a gap once, and not of one of an earlier lap', async () => {
    expect(await store.wantRewind(1)).toBe(true);
    expect(await store.wantRewind(1)).toBe(false);
    expect(await store.rewindWanted()).toBe(true);
    expect(await store.move('5', logStart, at(1), [])).toBe(true);
    await store.replace('5', { ...(await store.load()), lap: 2 });
    expect(await store.wantRewind(1)).toBe(false);
    expect(await store.rewindWanted()).toBe(false);
  });

  it('is replaced as a whole, with another number of partitions', async () => {
    const published = [4, 5, 6].map((seq) => ({ position: at(seq), ackedOffset: seq }));
    const state = { topic: 'u', cursor: at(6), lap: 9, published };
    await store.replace('5', state);
    expect(await store.load()).toEqual(state);
  });

  it('tells how long the oldest event waits', async () => {
    expect(await store.lagSeconds()).toBe(0);
    const [id] = await stage.emit(uuidv7());
    expect(await store.lagSeconds()).toBeGreaterThan(0);
    expect(await store.lagSeconds()).toBeLessThan(60);
    const { rows } = await stage.database.query(
      'select generation, xact_id::text as "xactId", seq::text from events where id = $1',
      [id],
    );
    await store.move('5', logStart, rows[0], []);
    expect(await store.lagSeconds()).toBe(0);
  });
});
