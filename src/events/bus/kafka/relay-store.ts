import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../../database/engine-pool.js';
import { positionFromRow } from '../../log/event-rows.js';
import type { Position } from '../../position.js';
import type { RelayState } from './relay.rules.js';
import * as sql from './sql/relay-state.js';

/** Thrown where another hub has become the relay: stop at once, what it does counts. */
export class RelayFenced extends Error {}

/** What a partition got by one request. */
export interface Acknowledged {
  partition: number;
  position: Position;
  offset: number;
}

/** What the relay has published, in the database. */
@Injectable()
export class RelayStore {
  constructor(private readonly pool: EnginePool) {}

  /** Makes the state where there is none. @returns how many partitions are in force. */
  async found(topic: string, partitions: number): Promise<number> {
    await this.pool.transaction(async (client) => {
      const { rowCount } = await client.query(sql.foundSql, [topic, partitions]);
      if (rowCount) await client.query(sql.foundPartitionsSql);
    });
    return this.partitions();
  }

  async partitions(): Promise<number> {
    const { rows } = await this.pool.query(sql.stateSql);
    return rows[0].partitions;
  }

  async load(): Promise<RelayState> {
    return this.pool.transaction(async (client) => {
      // One snapshot for both reads.
      await client.query('set transaction isolation level repeatable read');
      const state = (await client.query(sql.stateSql)).rows[0];
      const { rows } = await client.query(sql.partitionsSql);
      return {
        topic: state.topic,
        cursor: positionFromRow(state),
        lap: state.lap,
        published: rows.map((row) => ({
          position: positionFromRow(row),
          ackedOffset: Number(row.acked_offset),
        })),
      };
    });
  }

  /** @throws RelayFenced when a later epoch is at work. */
  async takeOver(epoch: string): Promise<void> {
    const { rowCount } = await this.pool.query(sql.takeOverSql, [epoch]);
    if (!rowCount) throw new RelayFenced();
  }

  /**
   * @returns whether a consumer has found records missing.
   * @throws RelayFenced when the cursor is not `from` any more or the epoch has passed.
   */
  async move(
    epoch: string,
    from: Position,
    to: Position,
    acknowledged: readonly Acknowledged[],
  ): Promise<boolean> {
    const { rows } = await this.pool.query({
      name: 'relay-move',
      text: sql.moveSql,
      values: [
        epoch,
        from.generation,
        from.xactId,
        from.seq,
        to.generation,
        to.xactId,
        to.seq,
        acknowledged.map(({ partition }) => partition),
        acknowledged.map(({ position }) => position.generation),
        acknowledged.map(({ position }) => position.xactId),
        acknowledged.map(({ position }) => position.seq),
        acknowledged.map(({ offset }) => offset),
      ],
    });
    if (rows.length === 0) throw new RelayFenced();
    return rows[0].rewind_wanted;
  }

  /** @throws RelayFenced when the epoch has passed. */
  async replace(epoch: string, { topic, cursor, lap, published }: RelayState): Promise<void> {
    await this.pool.transaction(async (client) => {
      const { generation, xactId, seq } = cursor;
      const values = [epoch, topic, published.length, generation, xactId, seq, lap];
      const { rowCount } = await client.query(sql.replaceSql, values);
      if (!rowCount) throw new RelayFenced();
      await client.query(sql.dropPartitionsSql);
      await client.query(sql.insertPartitionsSql, [
        published.map((_, partition) => partition),
        published.map(({ position }) => position.generation),
        published.map(({ position }) => position.xactId),
        published.map(({ position }) => position.seq),
        published.map(({ ackedOffset }) => ackedOffset),
      ]);
    });
  }

  /** @returns false where that lap is over, and what it lacked has been published again. */
  async wantRewind(lap: number): Promise<boolean> {
    const { rowCount } = await this.pool.query(sql.wantRewindSql, [lap]);
    return rowCount === 1;
  }

  async rewindWanted(): Promise<boolean> {
    const { rows } = await this.pool.query({ name: 'relay-wanted', text: sql.rewindWantedSql });
    return rows[0].rewind_wanted;
  }

  async lagSeconds(): Promise<number> {
    const { rows } = await this.pool.query<{ seconds: number }>(sql.lagSql);
    return rows[0]?.seconds ?? 0;
  }
}
