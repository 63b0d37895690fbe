import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import { positionFromRow } from '../log/event-rows.js';
import type { Position } from '../position.js';
import type { BusKind } from './event-bus.js';

export interface Cursor {
  group: string;
  partition: number;
  position: Position;
}

const raiseSql = `
  insert into consumer_cursors as c (consumer_group, bus, partition, generation, xact_id, seq)
  select $1, $2, partition, $4, $5, $6 from unnest($3::int[]) as partition
  on conflict (consumer_group, bus, partition) do update
    set generation = excluded.generation, xact_id = excluded.xact_id, seq = excluded.seq, moved_at = now()
    where (c.generation, c.xact_id, c.seq) < (excluded.generation, excluded.xact_id, excluded.seq)`;

const allSql = `
  select consumer_group, partition, generation, xact_id::text, seq::text from consumer_cursors
  where bus = $1 and ($2::text is null or consumer_group = $2)
  order by consumer_group, partition`;

/** Where each group of consumers stands in each partition. What a batch moves, `claimBatch` moves. */
@Injectable()
export class Cursors {
  constructor(private readonly pool: EnginePool) {}

  /** Every cursor of a bus, of one group or of all. */
  async all(bus: BusKind, group?: string): Promise<Cursor[]> {
    const { rows } = await this.pool.query(allSql, [bus, group ?? null]);
    return rows.map((row) => ({
      group: row.consumer_group,
      partition: row.partition,
      position: positionFromRow(row),
    }));
  }

  /** Brings a group's cursors to `position`, where they do not stand there or beyond; makes those it lacks. */
  async raise(
    group: string,
    bus: BusKind,
    partitions: readonly number[],
    position: Position,
  ): Promise<void> {
    const { generation, xactId, seq } = position;
    await this.pool.query(raiseSql, [group, bus, partitions, generation, xactId, seq]);
  }
}
