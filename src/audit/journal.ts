import { Injectable } from '@nestjs/common';
import { EnginePool } from '../database/engine-pool.js';
import { Logger } from '../platform/logger.js';
import type { NewEntry } from './audit-entry.js';
import { writeEntriesSql } from './sql/write.js';

const mostAtOnce = 500;
/** Entries that nobody waits for; beyond it they are counted and lost, so that a flood of them fills no memory. */
const mostUnawaited = 10_000;

interface Waiting {
  entry: NewEntry;
  settle: (error?: unknown) => void;
}

/**
 * Writes entries of what is no transaction: reads and refusals. One batch at a time; what comes meanwhile makes up the
 * next, so that requests at the same time share one commit and a lone one waits for nobody.
 */
@Injectable()
export class Journal {
  private waiting: Waiting[] = [];
  private unawaited = 0;
  private writing?: Promise<void>;

  constructor(
    private readonly pool: EnginePool,
    private readonly logger: Logger,
  ) {}

  /** Resolves when everything added so far is settled. */
  async drain(): Promise<void> {
    await this.writing;
  }

  /** Resolves once the entry is committed. @throws where it could not be written: then what it tells must not go out. */
  write(entry: NewEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.add({ entry, settle: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  }

  /** For what has happened anyway: nobody waits for it. */
  note(entry: NewEntry): void {
    if (this.unawaited >= mostUnawaited) {
      this.logger.error({ action: entry.action }, 'an audit entry is lost: too many are waiting');
      return;
    }
    this.unawaited += 1;
    const settle = (error?: unknown) => {
      this.unawaited -= 1;
      if (error === undefined) return;
      this.logger.error({ err: error, action: entry.action }, 'an audit entry is lost');
    };
    this.add({ entry, settle });
  }

  private add(waiting: Waiting): void {
    this.waiting.push(waiting);
    this.writing ??= this.writeAll();
  }

  private async writeAll(): Promise<void> {
    // The first one takes along those of the same turn.
    await new Promise(setImmediate);
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, mostAtOnce);
      this.waiting = this.waiting.slice(mostAtOnce);
      const json = JSON.stringify(batch.map(({ entry }) => entry));
      const error = await this.pool
        .query({ name: 'audit-entries', text: writeEntriesSql, values: [json] })
        .then(() => undefined)
        .catch((failure: unknown) => failure);
      for (const { settle } of batch) settle(error);
    }
    this.writing = undefined;
  }
}
