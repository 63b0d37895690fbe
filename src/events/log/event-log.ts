import { Inject, Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { EnginePool } from '../../database/engine-pool.js';
import { DataKeys } from '../../sealing/data-keys.js';
import type { StoredEvent } from '../catalog/envelope.js';
import { comparePositions, type Position } from '../position.js';
import {
  openEvents,
  openEventsInOrder,
  positionFromRow,
  type EventRow,
  type HeaderRow,
} from './event-rows.js';
import {
  beyondGenerationSql,
  horizonSql,
  readEventsByIdSql,
  readEventsSql,
  readHeadersByIdSql,
  readHeadersSql,
} from './sql/read-log.js';

/** What routing needs of an event: no payload, so that nobody copies one. */
export interface EventHeader {
  id: string;
  type: string;
  practiceId: string | null;
  /** Whom it is about; null where it is about nobody. */
  patientId: string | null;
  accountId: string | null;
  subject: string;
  actor: string;
  position: Position;
}

/** A stretch of the log. `more`: committed rows wait above the horizon, so it pays to look again at once. */
export interface LogPage<T> {
  events: T[];
  more: boolean;
}

export interface Horizon {
  /** Everything at or below is settled and visible to any later snapshot. */
  settled: Position;
  /** No row has been written at or above. */
  head: Position;
  /** Retention has dropped rows up to here. */
  dropped: Position;
}

/** Thrown for a cursor that the log cannot honour without skipping or repeating. */
export class CursorUnusable extends Error {
  constructor(
    readonly code: 'cursor_ahead' | 'cursor_expired',
    message: string,
  ) {
    super(message);
  }
}

/** The append-only log, read in an order in which nothing appears behind a reader's back. */
@Injectable()
export class EventLog {
  constructor(
    @Inject(EnginePool) private readonly pool: Pool,
    private readonly keys: DataKeys,
  ) {}

  async readHeaders(after: Position, limit: number): Promise<LogPage<EventHeader>> {
    const { rows, more } = await this.read<HeaderRow>('log-headers', readHeadersSql, after, limit);
    return { events: rows.map(headerFromRow), more };
  }

  /** Ends before an event that waits for a master key. @throws MasterKeyMissing where that is the next one. */
  async readEvents(after: Position, limit: number): Promise<LogPage<StoredEvent>> {
    const { rows, more } = await this.read<EventRow>('log-events', readEventsSql, after, limit);
    const events = await openEventsInOrder(rows, this.keys);
    return { events, more: more || events.length < rows.length };
  }

  /** What the log says of these events, in no order; of one that it does not hold, nothing. */
  async headersOf(ids: readonly string[]): Promise<EventHeader[]> {
    const { rows } = await this.pool.query<HeaderRow>({
      name: 'log-headers-by-id',
      text: readHeadersByIdSql,
      values: [ids, ...rangeOf(ids)],
    });
    return rows.map(headerFromRow);
  }

  /** These events whole, over the caller's own connection, in no order; of one that it does not hold, nothing. */
  async eventsOf(ids: readonly string[], client: Pick<Pool, 'query'>): Promise<StoredEvent[]> {
    const { rows } = await client.query<EventRow>({
      name: 'log-events-by-id',
      text: readEventsByIdSql,
      values: [ids],
    });
    return openEvents(rows, this.keys);
  }

  async horizon(): Promise<Horizon> {
    const { rows } = await this.pool.query({ name: 'log-horizon', text: horizonSql });
    const row = rows[0];
    return {
      // Numbers begin at 1, so that 0 lies below every row of the transaction `xmin`.
      settled: { generation: row.generation, xactId: row.xmin, seq: '0' },
      head: { generation: row.generation, xactId: row.xmax, seq: '0' },
      dropped: {
        generation: row.dropped_generation,
        xactId: row.dropped_xact_id,
        seq: row.dropped_seq,
      },
    };
  }

  /** @throws CursorUnusable when the log was rewound behind the cursor, or retention has passed it. */
  async assertUsable(cursor: Position): Promise<void> {
    const { head, dropped } = await this.horizon();
    if (comparePositions(cursor, head) > 0 || (await this.isOfLostFuture(cursor, head))) {
      throw new CursorUnusable(
        'cursor_ahead',
        'The cursor lies ahead of the log, which was restored to an earlier state. Load your data again and start from its Hub-Position.',
      );
    }
    if (comparePositions(cursor, dropped) < 0) {
      throw new CursorUnusable(
        'cursor_expired',
        'Events after this cursor have passed their retention. Load your data again and start from its Hub-Position.',
      );
    }
  }

  /**
   * A restore begins a new generation, so that a cursor from what it undid lies below the head all the same. It shows
   * by lying beyond the last event that its generation has kept. A cursor that only waited beyond that event cannot be
   * told apart; reading everything again is the safe answer.
   */
  private async isOfLostFuture(cursor: Position, head: Position): Promise<boolean> {
    if (cursor.generation === 0 || cursor.generation === head.generation) return false;
    const { rows } = await this.pool.query<{ kept: boolean }>(beyondGenerationSql, [
      cursor.generation,
      cursor.xactId,
      cursor.seq,
    ]);
    return rows[0]!.kept === false;
  }

  protected async read<Row extends HeaderRow>(
    name: string,
    text: string,
    after: Position,
    limit: number,
  ): Promise<{ rows: Row[]; more: boolean }> {
    const values = [after.generation, after.xactId, after.seq, limit];
    const { rows } = await this.pool.query<Row & { settled: boolean }>({ name, text, values });
    const unsettled = rows.findIndex(({ settled }) => !settled);
    return {
      rows: unsettled < 0 ? rows : rows.slice(0, unsettled),
      more: unsettled >= 0 || rows.length === limit,
    };
  }
}

/** The header columns of `events`, xid8 and bigint read as text. */
export function headerFromRow(row: HeaderRow): EventHeader {
  return {
    id: row.id,
    type: row.type,
    practiceId: row.practice_id,
    patientId: row.patient_id,
    accountId: row.account_id,
    subject: row.subject,
    actor: row.actor,
    position: positionFromRow(row),
  };
}

/** The least and the greatest id: they are time-ordered, and a partition is a range of them. */
function rangeOf(ids: readonly string[]): [string | undefined, string | undefined] {
  let [least, greatest] = [ids[0], ids[0]];
  for (const id of ids) {
    if (id < least!) least = id;
    if (id > greatest!) greatest = id;
  }
  return [least, greatest];
}
