import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { DataKeys } from '../../sealing/data-keys.js';
import { EventLog } from './event-log.js';

/**
 * The log as requests read it: over the API's connections, so that any number of readers of the feed leaves the engine
 * its own.
 */
export class ApiLog extends EventLog {
  static over(dataSource: DataSource, keys: DataKeys): ApiLog {
    return new ApiLog((dataSource.driver as unknown as { master: Pool }).master, keys);
  }
}
