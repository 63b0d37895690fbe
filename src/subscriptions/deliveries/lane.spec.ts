import { describe, expect, it } from '@jest/globals';
import type { AttemptResult, DueDelivery, Standing, Target } from './delivery.js';
import { Reach } from '../reach/reach.js';
import { Lane } from './lane.js';
import { unlimited } from './targets.js';

const limits = { threshold: 3, firstPauseMs: 100, longestPauseMs: 1000 };
const target: Target = {
  id: 'e',
  shard: 1,
  address: { origin: 'http://127.0.0.1', path: '/' },
  owner: 'operator',
  access: unlimited,
  payloadMode: 'full',
  contentType: 'application/json',
  headers: {},
  keys: [],
  timeoutMs: 1000,
  mostInFlight: 10,
  ratePerSecond: null,
  ordering: 'none',
  schedule: [],
  attemptedThrough: 0,
  enabledAt: null,
  hasFollowers: false,
  failing: false,
  circuit: { probesFailed: 0 },
  probeAskedAt: null,
  throttledForMs: 0,
};

function due(sequence: number, from: DueDelivery['from'] = 'stream'): DueDelivery {
  return { id: `${from} ${sequence}`, from, sequence, orderKey: null } as DueDelivery;
}

function laneWith(...deliveries: DueDelivery[]): Lane {
  const lane = new Lane(target, '1', limits, 0);
  take(lane, ...deliveries);
  return lane;
}

function take(lane: Lane, ...deliveries: DueDelivery[]): void {
  for (const delivery of deliveries) {
    lane.opened(delivery);
    lane.enqueue(delivery);
    if (delivery.from === 'stream') lane.readThrough = delivery.sequence;
  }
}

const stream = (count: number) => Array.from({ length: count }, (_, i) => due(i + 1));

function answer(lane: Lane, delivery: DueDelivery, standing: Standing, now = 0) {
  const result = { delivery, standing, outcome: 'http_status', statusCode: 500 };
  const changes = lane.answered(result as AttemptResult, now);
  lane.settled(delivery.id);
  return changes;
}

describe('a lane', () => {
  it('gives deliveries in order, no more at once than the endpoint takes', () => {
    const lane = laneWith(...stream(12));
    const given = Array.from({ length: 12 }, () => lane.next(0)?.sequence);
    expect(given).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, undefined, undefined]);
    answer(lane, due(3), { isUp: true });
    expect(lane.next(0)?.sequence).toBe(11);
  });

  it('gives first attempts before retries, but not for ever', () => {
    const lane = laneWith(...stream(30), due(100, 'retry'), due(101, 'retry'));
    const given: string[] = [];
    for (let next = lane.next(0); next; next = lane.next(0)) {
      given.push(next.from);
      answer(lane, next, { isUp: true });
    }
    expect(given.indexOf('retry')).toBe(10);
    expect(given.filter((from) => from === 'retry')).toHaveLength(2);
    expect(given).toHaveLength(32);
  });

  it('reads on once half its window is empty', () => {
    const lane = laneWith(...stream(3));
    expect(lane.wantsPending(4, 0)).toBe(false);
    lane.next(0);
    expect(lane.wantsPending(4, 0)).toBe(true);
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

  it('marks the number up to which everything was attempted, whatever the order of results', () => {
    const lane = laneWith(...stream(4));
    for (let i = 0; i < 4; i += 1) lane.next(0);
    answer(lane, due(2), { isUp: true });
    expect(lane.mark).toBe(0);
    answer(lane, due(1), { isUp: false });
    expect(lane.mark).toBe(2);
    lane.putAside(due(3).id);
    expect(lane.mark).toBe(3);
    answer(lane, due(4), { isUp: true });
    expect(lane.mark).toBe(4);
  });

  it('that is paused forgets its window, wants nothing, and reads it again when it goes on', () => {
    const lane = laneWith(...stream(3));
    lane.next(0);
    const { generation } = lane;
    lane.pause();
    expect(lane.generation).not.toBe(generation);
    expect(lane.next(0)).toBeUndefined();
    expect(lane.readsIn(10, 0)).toBe(Infinity);
    expect(lane.readThrough).toBe(1);
    expect(lane.holds(due(1).id)).toBe(true);
    expect(lane.holds(due(2).id)).toBe(false);
    answer(lane, due(1), { isUp: true });
    expect(lane.mark).toBe(1);
    lane.resume({ ...target, contentType: 'application/cloudevents+json' }, 0);
    expect(lane.readsIn(10, 0)).toBe(0);
    expect(lane.target.contentType).toBe('application/cloudevents+json');
  });

  it('whose endpoint fails sends nothing but a probe after a pause, and then goes on', () => {
    const lane = laneWith(...stream(8));
    const sent = [lane.next(0)!, lane.next(0)!, lane.next(0)!];
    expect(sent.map((delivery) => answer(lane, delivery, { isUp: false }))).toEqual([
      ['failed'],
      ['failed'],
      ['opened'],
    ]);
    expect(lane.receiver.failing).toBe(true);
    expect(lane.queued).toBe(0);
    expect(lane.readThrough).toBe(3);
    expect(lane.readsIn(1000, 40)).toBe(60);
    expect(lane.sizeOf(1000)).toBe(2);
    expect(lane.wantsPending(1000, 100)).toBe(true);
    take(lane, due(4), due(5));
    const probe = lane.next(100)!;
    expect(lane.next(100)).toBeUndefined();
    expect(answer(lane, probe, { isUp: true }, 110)).toEqual(['recovered']);
    expect(lane.receiver.failing).toBe(false);
    expect(lane.sizeOf(1000)).toBe(1000);
    expect(lane.next(110)?.sequence).toBe(5);
  });

  it('leaves an endpoint alone for as long as it asks', () => {
    const lane = laneWith(...stream(4));
    const changes = answer(lane, lane.next(0)!, { isUp: true, isSlow: true, silenceSeconds: 2 });
    expect(changes).toEqual(['throttled']);
    expect(lane.queued).toBe(0);
    expect(lane.readsIn(10, 500)).toBe(1500);
    take(lane, due(2));
    expect(lane.next(1999)).toBeUndefined();
    expect(lane.sendsIn(1999)).toBe(1);
    expect(lane.next(2000)?.sequence).toBe(2);
  });

  it('forgets silence and circuit for an owner who enables its endpoint, and not for another change', () => {
    const lane = laneWith(due(1));
    answer(lane, lane.next(0)!, { isUp: true, isSlow: true, silenceSeconds: 86_400 });
    take(lane, due(2));
    lane.resume({ ...target, contentType: 'application/cloudevents+json' }, 10);
    expect(lane.next(10)).toBeUndefined();
    lane.resume({ ...target, enabledAt: '2026-11-24 12:00:00+00' }, 20);
    expect(lane.next(20)?.sequence).toBe(2);
  });

  it('waits for the clock where it has a rate', () => {
    const lane = new Lane({ ...target, ratePerSecond: 2 }, '1', limits, 0);
    take(lane, due(1), due(2));
    lane.next(0);
    expect(lane.next(1)).toBeUndefined();
    expect(lane.sendsIn(95)).toBe(400);
  });

  it('is finished when nothing is under way, for everybody who waits', async () => {
    const lane = laneWith(...stream(2));
    lane.next(0);
    const ends = [lane.finish(), lane.finish()];
    let ended = 0;
    for (const end of ends) void end.then(() => ended++);
    await Promise.resolve();
    expect(ended).toBe(0);
    answer(lane, due(1), { isUp: true });
    await Promise.all(ends);
    lane.resume(target, 0);
    expect(lane.next(0)).toBeUndefined();
    await laneWith().finish();
  });
});

describe('a lane whose endpoint can lose something', () => {
  const access = { reach: Reach.from(['elm']), version: '5', restrictions: '1', until: 100 };
  const limited: Target = { ...target, owner: 'applications/a', access };
  const made = [{ id: '1', sequence: 1, event: {} as DueDelivery['event'] }];

  it('takes over only what was numbered under the version that it has heard of', () => {
    for (const [version, now, isTaken] of [
      ['5', 0, true],
      ['6', 0, false],
      ['5', 100, false],
    ] as const) {
      const lane = new Lane(limited, '1', limits, 0);
      take(lane, due(0));
      expect(lane.take(made, 10, version, now)).toBe(isTaken);
      // What it holds waits as well until somebody has looked.
      expect(lane.next(now)?.sequence).toBe(isTaken ? 0 : undefined);
      expect(lane.refreshAt).toBe(isTaken ? 100 : now);
    }
    expect(new Lane(target, '1', limits, 0).take(made, 10, '6', 0)).toBe(true);
  });

  it('sends nothing once the clock may have changed what it may send', () => {
    const lane = new Lane(limited, '1', limits, 0);
    take(lane, due(1), due(2));
    expect(lane.refreshAt).toBe(100);
    expect(lane.next(99)?.sequence).toBe(1);
    expect(lane.next(100)).toBeUndefined();
    lane.resume({ ...limited, access: { ...access, until: Infinity } }, 101);
    expect(lane.next(101)?.sequence).toBe(2);
  });

  it('forgets its window where it has lost something, and else keeps it', () => {
    const grants = {
      elm: [{ id: 'g', types: ['*'], mode: 'full', purpose: null, agreement: null }],
    };
    const reach = Reach.from(grants as never);
    const granted = { ...limited, access: { ...access, reach } };
    const changed = (from: Target, to: Partial<typeof access>): boolean => {
      const lane = new Lane(from, '1', limits, 0);
      take(lane, due(1));
      lane.resume({ ...from, access: { ...from.access, version: '6', ...to } }, 0);
      expect(lane.hasLost).toBe(lane.queued === 0);
      return lane.hasLost;
    };
    expect(changed(limited, {})).toBe(false);
    expect(changed(limited, { reach: Reach.from(['elm', 'oak']) })).toBe(false);
    expect(changed(limited, { reach: Reach.from(['oak']) })).toBe(true);
    expect(changed(limited, { restrictions: '2' })).toBe(false);
    expect(changed(granted, {})).toBe(false);
    expect(changed(granted, { restrictions: '2' })).toBe(true);
    expect(changed(granted, { reach: Reach.from({}) })).toBe(true);
  });
});
