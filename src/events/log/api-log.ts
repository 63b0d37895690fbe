import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { DataKeys } from '../../sealing/data-keys.js';
import type { Position } from '../position.js';
import { EventLog, headerFromRow, type EventHeader, type LogPage } from './event-log.js';
import type { HeaderRow } from './event-rows.js';
import { readFeedHeadersSql } from './sql/read-log.js';

/** What decides who may know of an event. */
export interface FeedHeader extends EventHeader {
  source: string;
}

type FeedHeaderRow = HeaderRow & { source: string };

/**
 * The log as requests read it: over the API's connections, so that any number of readers of the feed leaves the engine
 * its own. It shows where events are and whose; what they say is read within the scope of whoever asks (`eventsOf`).
 */
export class ApiLog extends EventLog {
  static over(dataSource: DataSource, keys: DataKeys): ApiLog {
    return new ApiLog((dataSource.driver as unknown as { master: Pool }).master, keys);
  }

  override async readHeaders(after: Position, limit: number): Promise<LogPage<FeedHeader>> {
    const { rows, more } = await this.read<FeedHeaderRow>(
      'log-feed-headers',
      readFeedHeadersSql,
      after,
      limit,
    );
    return { events: rows.map((row) => ({ ...headerFromRow(row), source: row.source })), more };
  }
}
