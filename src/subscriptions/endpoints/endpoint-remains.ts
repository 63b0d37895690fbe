import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { everything, scopeOfPractices, type Scope } from '../../database/scope.js';
import { ScopedReads } from '../../database/scoped-reads.js';
import { Interval } from '@nestjs/schedule';
import type { Tx } from '../../database/transactions.js';
import { Logger } from '../../platform/logger.js';
import { openRemainsSql, passWithheldSql, withholdOpenSql } from './sql/withhold-open.js';

/**
 * Rows of one transaction, of each kind: all together take about 0.1 s. A transaction that writes holds the
 * log's horizon back for every reader, so a backlog of a million is not withheld in one.
 */
const batchSize = 2000;
const sweepMs = 60_000;
/** How far back the regular sweep looks; the one at the start looks at every tombstone. */
const recentMs = 24 * 3_600_000;

/** Withholds what was still open for endpoints when they were deleted: it would never be sent, and count as due. */
@Injectable()
export class EndpointRemains implements OnApplicationBootstrap {
  constructor(
    private readonly reads: ScopedReads,
    private readonly logger: Logger,
  ) {}

  /** Not awaited: what is left may be millions, and the API need not wait for it. */
  onApplicationBootstrap(): void {
    void this.sweepSince(new Date(0));
  }

  @Interval(sweepMs)
  async sweep(): Promise<void> {
    await this.sweepSince(new Date(Date.now() - recentMs));
  }

  /** A first batch, in the transaction of the deletion: mostly that is all. Returns how many. */
  async withholdSome(tx: Tx, endpointId: string): Promise<number> {
    const [{ count }] = await tx.query(withholdOpenSql, [endpointId, batchSize]);
    await tx.query(passWithheldSql, [endpointId]);
    return count;
  }

  /**
   * The rest, a transaction for each batch. Never rejects: what fails is left to the sweep.
   * @param scope in which the endpoint is, and no other owner's: what is withheld is not sent any more
   */
  async withholdRest(endpointId: string, scope: Scope): Promise<void> {
    try {
      while ((await this.withholdSome(this.reads.within(scope), endpointId)) > 0);
    } catch (error) {
      this.logger.warn({ err: error, endpointId }, 'not every open delivery is withheld yet');
    }
  }

  /** Finishes what a hub that died, or a row that was in use, left behind. */
  private async sweepSince(deletedSince: Date): Promise<void> {
    try {
      // Whosever they are: nobody asked.
      const rows: { id: string; owner: string }[] = await this.reads
        .within(everything)
        .query(openRemainsSql, [deletedSince]);
      for (const { id, owner } of rows) await this.withholdRest(id, scopeOfPractices([], owner));
    } catch (error) {
      this.logger.warn({ err: error }, 'deleted endpoints were not looked through');
    }
  }
}
