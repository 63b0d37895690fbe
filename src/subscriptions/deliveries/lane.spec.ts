import { describe, expect, it } from '@jest/globals';
import type { DueDelivery, Target } from './delivery.js';
import { Lane } from './lane.js';

const target = { id: 'e', shard: 1, url: 'http://127.0.0.1', payloadMode: 'full' } as Target;
const due = (id: string) => ({ id, sequence: id, attempts: 0 }) as DueDelivery;

function laneWith(...ids: string[]): Lane {
  const lane = new Lane(target, '1');
  for (const id of ids) lane.add(due(id));
  return lane;
}

describe('a lane', () => {
  it('gives deliveries in order, a hundred at a time', () => {
    const lane = laneWith(...Array.from({ length: 150 }, (_, i) => String(i)));
    const given = Array.from({ length: 150 }, () => lane.next()?.id);
    expect(given.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
    expect(given[100]).toBeUndefined();
    lane.sent();
    expect(lane.next()?.id).toBe('100');
  });

  it('reads on once half its window is empty, first attempts before retries', () => {
    const lane = laneWith('1', '2', '3');
    expect(lane.wantsPending(4)).toBe(false);
    lane.next();
    expect(lane.wantsPending(4)).toBe(true);
    expect(lane.readsIn(4, 0)).toBe(0);
  });

  it('says how long until a read pays, and that only a signal can change it', () => {
    const lane = laneWith();
    lane.mayHavePending = false;
    lane.retryDueAt = Infinity;
    expect(lane.readsIn(10, 0)).toBe(Infinity);
    lane.retryIn(250, 1000);
    expect(lane.readsIn(10, 1000)).toBe(250);
    expect(lane.wantsRetries(10, 1200)).toBe(false);
    expect(lane.wantsRetries(10, 1250)).toBe(true);
  });

  it('remembers what was open before a read began', () => {
    const lane = laneWith('1', '2');
    lane.next();
    const opened = lane.opened();
    lane.settled('1');
    expect([...opened]).toEqual(['1', '2']);
    expect([...lane.opened()]).toEqual(['2']);
  });

  it('that is paused forgets its window, wants nothing, and starts over when it goes on', () => {
    const lane = laneWith('1', '2');
    lane.next();
    lane.pause();
    expect(lane.next()).toBeUndefined();
    expect(lane.readsIn(10, 0)).toBe(Infinity);
    expect([...lane.opened()]).toEqual(['1']);
    expect(lane.readThrough).toBe('0');
    expect(lane.isIdle).toBe(false);
    lane.settled('1');
    expect(lane.isIdle).toBe(true);
    lane.resume({ ...target, url: 'http://127.0.0.2' }, 0);
    expect(lane.readsIn(10, 0)).toBe(0);
    expect(lane.target.url).toBe('http://127.0.0.2');
  });

  it('is finished when nothing is under way, for everybody who waits', async () => {
    const lane = laneWith('1', '2');
    lane.next();
    const ends = [lane.finish(), lane.finish()];
    let ended = 0;
    for (const end of ends) void end.then(() => ended++);
    await Promise.resolve();
    expect(ended).toBe(0);
    lane.settled('1');
    await Promise.all(ends);
    lane.resume(target, 0);
    expect(lane.next()).toBeUndefined();
    await laneWith().finish();
  });
});
