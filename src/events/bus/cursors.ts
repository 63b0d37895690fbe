import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import { positionFromRow } from '../log/event-log.js';
import type { Position } from '../position.js';
import type { BusKind } from './event-bus.js';

/** Where each group of consumers stands in each partition. Moved only by `claimBatch`. */
@Injectable()
export class Cursors {
  constructor(private readonly pool: EnginePool) {}

  /** The group's cursor; a group that has none yet begins at `beginning`. */
  async load(
    group: string,
    bus: BusKind,
    partition: number,
    beginning: Position,
  ): Promise<Position> {
    await this.pool.query(
      `insert into consumer_cursors (consumer_group, bus, partition, generation, xact_id, seq)
       values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
      [group, bus, partition, beginning.generation, beginning.xactId, beginning.seq],
    );
    const { rows } = await this.pool.query(
      `select generation, xact_id::text, seq::text from consumer_cursors
       where consumer_group = $1 and bus = $2 and partition = $3`,
      [group, bus, partition],
    );
    return positionFromRow(rows[0]);
  }

  /** Every cursor of a bus, of one group or of all. */
  async all(
    bus: BusKind,
    group?: string,
  ): Promise<{ group: string; partition: number; position: Position }[]> {
    const { rows } = await this.pool.query(
      `select consumer_group, partition, generation, xact_id::text, seq::text from consumer_cursors
       where bus = $1 and ($2::text is null or consumer_group = $2)
       order by consumer_group, partition`,
      [bus, group ?? null],
    );
    return rows.map((row) => ({
      group: row.consumer_group,
      partition: row.partition,
      position: positionFromRow(row),
    }));
  }
}
