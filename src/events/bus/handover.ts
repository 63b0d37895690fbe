import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import type { EventHeader } from '../log/event-log.js';
import { comparePositions, logStart, lowest, type Position } from '../position.js';
import { Cursors } from './cursors.js';
import { keyOf, partitionOf } from './partition-of.js';

/** Where a group begins on the embedded log, and which events beyond that Kafka has brought it already. */
export interface LogStanding {
  cursor: Position;
  wasConsumed(event: EventHeader): boolean;
}

/**
 * Changes the bus below a group without losing or repeating anything: each bus keeps its own cursors, and each start
 * takes into account what the other bus has brought. All hubs have to be stopped in between, since two buses at
 * once would both deliver. Starting again on the same bus changes nothing.
 */
@Injectable()
export class Handover {
  constructor(
    private readonly cursors: Cursors,
    private readonly pool: EnginePool,
  ) {}

  /** To Kafka: whatever the group has consumed from the log lies behind it in every partition. */
  async toKafka(group: string, partitions: number): Promise<void> {
    const [log] = await this.cursors.all('log', group);
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    await this.cursors.raise(group, 'kafka', all, log?.position ?? logStart);
  }

  /**
   * To the log, which is one stretch where Kafka had partitions: it begins where the slowest partition stands, and
   * leaves out what the faster ones had already.
   */
  async toLog(group: string): Promise<LogStanding> {
    const { rows } = await this.pool.query('select partitions from relay_state');
    const partitions: number = rows[0]?.partitions ?? 0;
    const reached = new Map<number, Position>();
    for (const { partition, position } of await this.cursors.all('kafka', group)) {
      reached.set(partition, position);
    }
    const all = Array.from({ length: partitions }, (_, p) => reached.get(p) ?? logStart);
    await this.cursors.raise(group, 'log', [0], all.length > 0 ? lowest(all) : logStart);
    const [log] = await this.cursors.all('log', group);
    const cursor = log!.position;
    const ahead = all.some((position) => comparePositions(position, cursor) > 0);
    return {
      cursor,
      wasConsumed: (event) =>
        ahead && comparePositions(event.position, all[partitionOf(keyOf(event), partitions)]!) <= 0,
    };
  }
}
