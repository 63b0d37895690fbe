import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import { positionFromRow, type EventHeader } from '../log/event-log.js';
import type { BatchHandler, BusKind } from './event-bus.js';

/**
 * Events that a consumer could not handle, with the reason. Health counts them; `npm run parked` lists them and
 * asks for another try.
 */
@Injectable()
export class ParkedEvents {
  constructor(private readonly pool: EnginePool) {}

  async park(group: string, event: EventHeader, reason: string): Promise<void> {
    await this.pool.query(
      `insert into parked_events (consumer_group, event_id, generation, xact_id, seq, reason)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (consumer_group, event_id) do update set reason = excluded.reason, redrive = false`,
      [
        group,
        event.id,
        event.position.generation,
        event.position.xactId,
        event.position.seq,
        reason,
      ],
    );
  }

  async count(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(
      'select count(*)::int as count from parked_events',
    );
    return rows[0]!.count;
  }

  /**
   * Drives once more what the operator asked for, one event at a time. Of two hubs that do so at once, one claims.
   */
  async redrive(group: string, bus: BusKind, handler: BatchHandler): Promise<void> {
    const { rows } = await this.pool.query(
      `select e.id, e.type, e.practice_id, e.subject, e.actor, e.generation, e.xact_id::text, e.seq::text
       from parked_events as p join events as e on e.id = p.event_id
       where p.consumer_group = $1 and p.redrive
       order by p.generation, p.xact_id, p.seq limit 100`,
      [group],
    );
    for (const row of rows) {
      const position = positionFromRow(row);
      const { id, type, subject, actor } = row;
      const event = { id, type, practiceId: row.practice_id, subject, actor, position };
      const stretch = { group, bus, partition: 0, after: position, through: position };
      try {
        await handler({ ...stretch, events: [event], redriven: true });
      } catch {
        await this.park(group, event, 'failed again when it was driven once more');
      }
    }
  }
}
