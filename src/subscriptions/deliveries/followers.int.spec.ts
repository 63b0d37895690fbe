import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { createTestDatabase } from '../../../test/support/postgres.js';
import { testKeys } from '../../../test/support/sealed.js';
import { EnginePool } from '../../database/engine-pool.js';
import { Logger } from '../../platform/logger.js';
import { bindingOfEvent } from '../../sealing/bindings.js';
import type { DataKeys } from '../../sealing/data-keys.js';
import { Reaches } from '../reach/reaches.js';
import type { DueDelivery, Target } from './delivery.js';
import { EventCache } from './event-cache.js';
import { Followers } from './followers.js';
import { Hearing } from './hearing.js';
import { Lane } from './lane.js';
import { Targets, unlimited } from './targets.js';

const endpointId = randomUUID();
const target = {
  id: endpointId,
  shard: 1,
  access: unlimited,
  ordering: 'subject',
  mostInFlight: 10,
  ratePerSecond: null,
  attemptedThrough: 0,
  enabledAt: null,
  hasFollowers: true,
  failing: false,
  circuit: { probesFailed: 0 },
  probeAskedAt: null,
  throttledForMs: 0,
} as unknown as Target;

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: EnginePool;
let keys: DataKeys;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new EnginePool(database.url, 10);
  keys = testKeys(pool);
  await keys.start();
});
afterAll(async () => {
  await keys.stop();
  await pool.end();
  await database.drop();
});

async function aDelivery(sequence: number, key: string): Promise<{ id: string; eventId: string }> {
  const [id, eventId] = [uuidv7(), uuidv7()];
  const event = { practiceId: null, type: 'charge.posted', subject: key, subjectVersion: 1 };
  await pool.query(
    `insert into events (id, type, type_version, source, subject, subject_version, actor, correlation_id, sealed)
     values ($1, 'charge.posted', 1, '/practices/x', $2, 1, 'operator', 'test', $3)`,
    [eventId, key, keys.own.seal('{}', bindingOfEvent(event))],
  );
  await pool.query(
    `insert into deliveries (id, endpoint_id, sequence, event_id, event_type) values ($1, $2, $3, $4, 'charge.posted')`,
    [id, endpointId, sequence, eventId],
  );
  return { id, eventId };
}

type Ordered = DueDelivery & { orderKey: string };

function ordered(id: string, sequence: number, orderKey: string): Ordered {
  return { id, from: 'stream', sequence, attempts: 0, orderKey } as Ordered;
}

function aLane(readThrough: number): Lane {
  const limits = { threshold: 10, firstPauseMs: 1000, longestPauseMs: 1000 };
  const lane = new Lane(target, '1', limits, performance.now());
  lane.readThrough = readThrough;
  return lane;
}

function followersOn(over: Pick<EnginePool, 'query'>): Followers {
  const logger = new Logger('silent');
  // Nothing is sent here, so nobody is called and no setting is asked for.
  const targets = new Targets(pool, new Reaches(pool), {} as never, {} as never, logger, keys);
  const hearing = new Hearing(pool, targets);
  return new Followers(over as EnginePool, new EventCache(pool, keys), hearing, logger);
}

it('lets no follower go whose head fails while orphans are looked for', async () => {
  const key = 'accounts/1';
  const [head, follower] = [await aDelivery(1, key), await aDelivery(2, key)];
  await pool.query(
    `insert into delivery_followers (delivery_id, endpoint_id, order_key, sequence, event_id) values ($1, $2, $3, 2, $4)`,
    [follower.id, endpointId, key, follower.eventId],
  );
  const lane = aLane(2);
  const sent = ordered(head.id, 1, key);
  lane.order.admit(sent, false);
  lane.opened(sent);

  // The head's failure is recorded, and settled, between the answer about orphans and what is made of it.
  let isSettled = false;
  const slow = {
    query: async (statement: { name?: string }, ...rest: unknown[]) => {
      const answer = await (pool.query as (...all: unknown[]) => Promise<unknown>)(
        statement,
        ...rest,
      );
      if (statement.name !== 'orphan-keys' || isSettled) return answer;
      isSettled = true;
      await pool.query(
        `insert into delivery_retries (delivery_id, endpoint_id, sequence, event_id, attempts, next_attempt_at, order_key)
         values ($1, $2, 1, $3, 1, now() + interval '1 hour', $4)`,
        [head.id, endpointId, head.eventId, key],
      );
      lane.settled(head.id);
      lane.order.settle(sent, true);
      return answer;
    },
  } as unknown as EnginePool;
  const followers = followersOn(slow);
  await followers.releaseOrphans(lane, 50);
  expect(lane.next(performance.now())).toBeUndefined();

  // Once the head has gone it is the follower's turn.
  await pool.query('delete from delivery_retries where delivery_id = $1', [head.id]);
  await followers.releaseOrphans(lane, 50);
  expect(lane.next(performance.now())?.id).toBe(follower.id);
});

it('loses none that is admitted between the settling of a retry and the look at who waited for it', async () => {
  const key = 'accounts/2';
  const [retry, second, third] = [
    ordered((await aDelivery(3, key)).id, 3, key),
    ordered((await aDelivery(4, key)).id, 4, key),
    ordered((await aDelivery(5, key)).id, 5, key),
  ];
  // A lane that has just begun: it has put nobody into the table.
  const lane = aLane(3);
  lane.order.lead(retry);
  const followers = followersOn(pool);
  const admitted = followers.admit(lane, lane.generation, 4, [second]);
  lane.order.settle({ ...retry, from: 'retry' }, false);
  const released = followers.release(lane, key, 10);
  await Promise.all([admitted, released]);
  await followers.admit(lane, lane.generation, 5, [third]);

  // One after the other, and each at all.
  expect(lane.next(performance.now())?.id).toBe(second.id);
  expect(lane.next(performance.now())).toBeUndefined();
  lane.settled(second.id);
  expect(lane.order.settle(second, false).next?.id).toBe(third.id);
});
