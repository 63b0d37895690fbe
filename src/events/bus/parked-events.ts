import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import { isTransient } from '../../database/errors.js';
import { MasterKeyMissing } from '../../sealing/master-keys.js';
import { headerFromRow } from '../log/event-log.js';
import type { HeaderRow } from '../log/event-rows.js';
import { BatchTaken } from './claim.js';
import { reasonOf } from './consume.js';
import type { BatchHandler, BusKind } from './event-bus.js';

const wantedSql = `
  select e.id, e.type, e.practice_id, e.subject, e.actor, e.generation, e.xact_id::text, e.seq::text
  from parked_events as p join events as e on e.id = p.event_id
  where p.consumer_group = $1 and p.redrive
  order by p.generation, p.xact_id, p.seq limit 100`;

// Not an insert: where another hub has just driven it with success, the row is gone and must stay so.
const failedAgainSql = `
  update parked_events set redrive = false, reason = $3 where consumer_group = $1 and event_id = $2`;

/**
 * Events that a consumer could not handle, with the reason: put aside by `claimBatch`, counted in health, listed by
 * `npm run parked`, which also asks for another try.
 */
@Injectable()
export class ParkedEvents {
  constructor(private readonly pool: EnginePool) {}

  /**
   * Drives once more what the operator asked for, one event at a time. Several hubs may do so at once: one claims.
   * What waits for a master key, and holds up nobody here, stays asked for.
   * @throws a transient database error; what is left stays asked for.
   */
  async redrive(group: string, bus: BusKind, handler: BatchHandler): Promise<void> {
    const { rows } = await this.pool.query<HeaderRow>(wantedSql, [group]);
    for (const event of rows.map(headerFromRow)) {
      const place = { group, bus, partition: 0, after: event.position, through: event.position };
      try {
        await handler({ ...place, events: [event], redriven: true });
      } catch (error) {
        if (error instanceof BatchTaken || error instanceof MasterKeyMissing) continue;
        if (isTransient(error)) throw error;
        const reason = `${reasonOf(error)} (again, when driven once more)`;
        await this.pool.query(failedAgainSql, [group, event.id, reason]);
      }
    }
  }
}
