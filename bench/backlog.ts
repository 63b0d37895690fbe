import { setTimeout as delay } from 'node:timers/promises';
import { writeCharges } from './facts.js';
import type { BenchHub, Stage } from './stage.js';

const finishedWithinMs = 60_000;

export interface BacklogResult {
  deliveriesPerSecond: number;
  seconds: number;
}

/**
 * How long a running hub takes to get rid of a backlog: from the moment it can read the first event to the moment
 * the last delivery is recorded as delivered. Fan-out (and the relay and the topic, over Kafka), reading, rendering,
 * signing, sending and recording are all in it; writing the events is not.
 *
 * The events are held back by a transaction that has an id and stays open while they are written: nothing above it is
 * settled, so no reader of the log may pass it. Its commit uncovers all of them at once.
 */
export async function measureBacklog(
  { receiver }: Stage,
  hub: BenchHub,
  events: number,
): Promise<BacklogResult> {
  const before = await stateOf(hub);
  const holder = await hub.database.connect();
  try {
    await holder.query('begin');
    await holder.query('select pg_current_xact_id()');
    await writeCharges(hub.databaseUrl, hub.practiceIds, events);
    receiver.order({ count: events });
    const counted = receiver.report((report) => report.kind === 'counted', finishedWithinMs);
    const start = process.hrtime.bigint();
    await holder.query('commit');
    await counted;
    const end = await recorded(hub);
    const seconds = Number(end - start) / 1e9;
    const after = await stateOf(hub);
    const delivered = after.delivered - before.delivered;
    const numbered = after.sequence - before.sequence;
    if (delivered !== events || numbered !== events || after.open > 0) {
      throw new Error(`${events} events, ${numbered} deliveries, ${delivered} recorded`);
    }
    return { deliveriesPerSecond: events / seconds, seconds };
  } finally {
    // With an error thrown away, so that a transaction still open ends.
    holder.release(true);
  }
}

// The last webhooks have arrived, their results follow within milliseconds. One look at a partial index a time.
async function recorded({ database, backlogEndpointId }: BenchHub): Promise<bigint> {
  const deadline = performance.now() + finishedWithinMs;
  while (performance.now() < deadline) {
    const { rows } = await database.query({
      name: 'open',
      text: `select exists (select from deliveries where endpoint_id = $1 and status = 'pending') as open`,
      values: [backlogEndpointId],
    });
    if (!rows[0].open) return process.hrtime.bigint();
    await delay(2);
  }
  throw new Error('not everything that arrived was recorded');
}

async function stateOf({ database, backlogEndpointId }: BenchHub): Promise<{
  sequence: number;
  delivered: number;
  open: number;
}> {
  const { rows } = await database.query(
    `select (select last_sequence::int from endpoint_counters where endpoint_id = $1) as sequence,
            count(*) filter (where status = 'delivered')::int as delivered,
            count(*) filter (where status in ('pending', 'failed'))::int as open
     from deliveries where endpoint_id = $1`,
    [backlogEndpointId],
  );
  return rows[0];
}
