import { Injectable } from '@nestjs/common';
import { IsNull, type EntityManager } from 'typeorm';
import { everything } from '../../database/scope.js';
import { ScopedReads } from '../../database/scoped-reads.js';
import { EnginePool } from '../../database/engine-pool.js';
import { isUniqueViolation } from '../../database/errors.js';
import { Transactions, type Tx } from '../../database/transactions.js';
import type { Cause } from '../../events/outbox/outbox.js';
import { scopeOf, type Caller } from '../../platform/access/caller.js';
import { afterId, limitOf, pageOf, type ListQuery, type Page } from '../../platform/http/lists.js';
import { conflict, notFound, Problem } from '../../platform/http/problem.js';
import { EndpointEvents, endpointKey } from '../endpoints/endpoint-events.js';
import { Endpoint } from '../endpoints/endpoint.entity.js';
import { mostMatched } from './replay-queue.js';
import { ReplayFinder } from './replay-finder.js';
import {
  defaultRatePerSecond,
  type NewReplay,
  type ReplayCount,
  type ReplayResource,
  type ReplayState,
} from './replay.dto.js';
import { requestOf, selectionOf, type ReplayRequest } from './replay-request.js';
import { finishSql, openReplaysSql } from './sql/queue.js';
import { createReplaySql, listReplaysSql, lockReplaySql, readReplaySql } from './sql/replays.js';

/** How many replays are worked for at a time; the others wait for their turn. */
const mostOpenReplays = 200;
/** How long a dry run may count. */
const mostCountMs = 20_000;
const cancelledByQuery = '57014';

interface ReplayRow {
  id: string;
  endpoint_id: string;
  state: ReplayState;
  request: ReplayRequest;
  missing: boolean;
  rate_per_second: number;
  matched: number;
  sent: number;
  failure: string | null;
  correlation_id: string;
  version: number;
  created_at: Date;
  updated_at: Date;
  finished_at: Date | null;
}

export interface OpenReplay {
  id: string;
  endpointId: string;
  state: ReplayState;
  request: ReplayRequest;
  missing: boolean;
  ratePerSecond: number;
  correlationId: string;
  createdAt: Date;
}

/** What was asked to be sent once more, and what became of it. */
@Injectable()
export class ReplaysService {
  constructor(
    private readonly reads: ScopedReads,
    private readonly pool: EnginePool,
    private readonly transactions: Transactions,
    private readonly finder: ReplayFinder,
    private readonly events: EndpointEvents,
  ) {}

  /** @throws Problem 404; 409 for a disabled endpoint, or while another replay of it is open; 422 */
  async create(
    tx: Tx,
    ids: { id: string; endpointId: string },
    input: NewReplay,
    cause: Cause,
  ): Promise<ReplayResource> {
    const request = requestOf(input);
    const { id, endpointId } = ids;
    // Held, so that a deletion comes before this or finds it.
    const endpoint = await tx.findOne(Endpoint, {
      where: { id: endpointId, deletedAt: IsNull() },
      lock: { mode: 'pessimistic_read' },
    });
    if (!endpoint) throw notFound('endpoint');
    if (!endpoint.enabled) {
      throw conflict('endpoint_disabled', 'The endpoint is disabled. Enable it, then replay.');
    }
    const { missing = false, ratePerSecond = defaultRatePerSecond } = input;
    try {
      const [row]: ReplayRow[] = await tx.query(createReplaySql, [
        id,
        endpointId,
        request,
        missing,
        ratePerSecond,
        cause.actor,
        cause.correlationId,
      ]);
      return toResource(row!);
    } catch (error) {
      if (!isUniqueViolation(error, 'replays_open')) throw error;
      throw conflict(
        'replay_running',
        'Another replay of this endpoint is still open. Wait for it, or cancel it.',
      );
    }
  }

  /** Counts what a replay would be of, and stores nothing. @throws Problem 404, 422 */
  async count(caller: Caller, endpointId: string, input: NewReplay): Promise<ReplayCount> {
    const request = requestOf(input);
    const manager = this.reads.within(scopeOf(caller));
    await assertEndpoint(manager, endpointId);
    const [{ now }] = await manager.query('select clock_timestamp() as now');
    const { missing = false } = input;
    const selection = selectionOf({ endpointId, request, missing, createdAt: now });
    const deadline = performance.now() + mostCountMs;
    const counted = { deliveries: 0, events: 0 };
    // Over the API's connections: whoever counts leaves the engine its own.
    const pool = this.reads.connections(scopeOf(caller));
    try {
      for await (const page of this.finder.find(pool, selection, { ms: mostCountMs })) {
        counted[page[0]!.deliveryId === null ? 'events' : 'deliveries'] += page.length;
        if (performance.now() > deadline) throw tooMuch();
      }
    } catch (error) {
      throw (error as { code?: string }).code === cancelledByQuery ? tooMuch() : error;
    }
    const matched = counted.deliveries + counted.events;
    if (matched > mostMatched) throw tooMuch();
    return { dryRun: true, matched, ...counted };
  }

  /** Newest first. @throws Problem 404 */
  async list(caller: Caller, endpointId: string, query: ListQuery): Promise<Page<ReplayResource>> {
    const manager = this.reads.within(scopeOf(caller));
    await assertEndpoint(manager, endpointId);
    const limit = limitOf(query);
    const rows: ReplayRow[] = await manager.query(listReplaysSql, [
      endpointId,
      afterId(query) ?? null,
      limit + 1,
    ]);
    return pageOf(rows, limit, toResource);
  }

  /** @throws Problem 404 */
  async get(caller: Caller, endpointId: string, id: string): Promise<ReplayResource> {
    const [row]: ReplayRow[] = await this.reads
      .within(scopeOf(caller))
      .query(readReplaySql, [id, endpointId]);
    if (!row) throw notFound('replay');
    return toResource(row);
  }

  /**
   * Queues no more of it; what is queued is sent. Again is as once.
   * @throws Problem 404; 409 where it has ended otherwise.
   */
  async cancel(tx: Tx, endpointId: string, id: string, cause: Cause): Promise<ReplayResource> {
    // Waits for the batch that is being queued at this moment.
    const [row]: ReplayRow[] = await tx.query(lockReplaySql, [id, endpointId]);
    if (!row) throw notFound('replay');
    if (row.state === 'cancelled') return toResource(row);
    if (row.finished_at !== null) {
      throw conflict('replay_finished', `This replay is ${row.state} already.`);
    }
    return toResource((await this.end(tx, id, 'cancelled', null, cause))!);
  }

  /** Those that are not at their end, the oldest first. */
  async open(): Promise<OpenReplay[]> {
    const { rows } = await this.pool.query<ReplayRow>(openReplaysSql, [mostOpenReplays]);
    return rows.map((row) => ({
      id: row.id,
      endpointId: row.endpoint_id,
      state: row.state,
      request: row.request,
      missing: row.missing,
      ratePerSecond: row.rate_per_second,
      correlationId: row.correlation_id,
      createdAt: row.created_at,
    }));
  }

  /** Ends a replay that has not ended yet, and tells the endpoint's owner. */
  async finish(
    { id, endpointId, correlationId }: OpenReplay,
    state: 'completed' | 'cancelled' | 'failed',
    failure: string | null = null,
  ): Promise<void> {
    const cause = { actor: 'system/replays', correlationId };
    await this.transactions.run(
      [endpointKey(endpointId)],
      // The hub ends it by itself: whoever asked for it is not here.
      (tx) => this.end(tx, id, state, failure, cause),
      { scope: everything },
    );
  }

  private async end(
    tx: Tx,
    id: string,
    state: 'completed' | 'cancelled' | 'failed',
    failure: string | null,
    cause: Cause,
  ): Promise<ReplayRow | undefined> {
    const [[row]]: [ReplayRow[], number] = await tx.query(finishSql, [id, state, failure]);
    if (!row) return undefined;
    const { endpoint_id: endpointId, matched, sent } = row;
    const data = { replayId: id, matched, sent, state };
    await this.events.append(tx, cause, [{ endpointId, type: 'endpoint.replay_completed', data }]);
    return row;
  }
}

async function assertEndpoint(manager: EntityManager, id: string): Promise<void> {
  const exists = await manager.existsBy(Endpoint, { id, deletedAt: IsNull() });
  if (!exists) throw notFound('endpoint');
}

function tooMuch(): Problem {
  return new Problem(
    422,
    'too_much_to_count',
    'This is more than one replay can be of, or takes too long to count. Narrow it with from and to.',
  );
}

function toResource(row: ReplayRow): ReplayResource {
  return {
    id: row.id,
    endpointId: row.endpoint_id,
    state: row.state,
    matched: row.matched,
    sent: row.sent,
    ...row.request,
    missing: row.missing,
    ratePerSecond: row.rate_per_second,
    ...(row.failure !== null && { failure: row.failure }),
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    finishedAt: row.finished_at,
  };
}
