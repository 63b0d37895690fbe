import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { IsNull } from 'typeorm';
import { ScopedReads } from '../../database/scoped-reads.js';
import { inFullView, type Tx } from '../../database/transactions.js';
import { scopeOf, type Caller } from '../../platform/access/caller.js';
import { wantedTypes } from '../../events/catalog/unknown-types.js';
import { limitOf, type Page, listOf } from '../../platform/http/lists.js';
import { conflict, invalidParameter, notFound } from '../../platform/http/problem.js';
import { bindingOfResponse } from '../../sealing/bindings.js';
import { DataKeys } from '../../sealing/data-keys.js';
import { Endpoint } from '../endpoints/endpoint.entity.js';
import {
  deliveryStatuses,
  type AttemptResource,
  type DeliveryDetail,
  type DeliveryListQuery,
  type DeliveryResource,
  type DeliveryStatus,
  type NextAttemptReason,
} from './delivery.dto.js';
import {
  earlierAttemptsSql,
  listDeliveriesSql,
  mostScanned,
  openFloorSql,
  readDeliverySql,
  responsesSql,
} from './sql/list-deliveries.js';
import { lossOf, mayStillHear } from './resend-checks.js';
import { lockDeliverySql, resendSql } from './sql/resend.js';
import { idFloor, madeAt } from '../../database/time-ids.js';

const mostAttemptsShown = 100;
/** Whoever resends for ever has a mistake in a loop; what counts the attempts ends at 32,767. */
export const mostAttempts = 10_000;
/** The largest bigint: the first page begins above every number. */
const aboveAll = '9223372036854775807';

interface DeliveryRow {
  id: string;
  endpoint_id: string;
  sequence: string;
  event_id: string;
  event_type: string;
  practice_id: string | null;
  status: DeliveryStatus;
  attempts: number;
  next_attempt_at: Date | null;
  next_attempt_reason: NextAttemptReason | null;
  last_attempt_at: Date | null;
  last_duration_ms: number | null;
  last_outcome: string | null;
  last_status_code: number | null;
  last_error: string | null;
  withheld_reason: string | null;
  replay_id: string | null;
}

interface AttemptRow {
  number: number;
  at: Date;
  duration_ms: number;
  outcome: string;
  status_code: number | null;
  error: string | null;
  /** What the receiver answered; absent where it was not kept, or is not any more. */
  response?: string;
}

/** What became of each webhook, for those who ask; the engine does not go through here. */
@Injectable()
export class DeliveriesService {
  constructor(
    private readonly reads: ScopedReads,
    private readonly keys: DataKeys,
  ) {}

  /** An endpoint's deliveries, newest number first. @throws Problem 404, 422 */
  async list(
    caller: Caller,
    endpointId: string,
    query: DeliveryListQuery,
  ): Promise<Page<DeliveryResource>> {
    const limit = limitOf(query);
    const statuses = listOf(
      query.status,
      'status',
      (name) => (deliveryStatuses as readonly string[]).includes(name),
      `of ${deliveryStatuses.join(', ')}, with commas between`,
    );
    const types = wantedTypes(query.eventTypes);
    const practiceIds = listOf(query.practiceIds, 'practiceIds', (id) => isUUID(id));
    const manager = this.reads.within(scopeOf(caller));
    const exists = await manager.existsBy(Endpoint, { id: endpointId, deletedAt: IsNull() });
    if (!exists) throw notFound('endpoint');
    const values = [
      endpointId,
      cursorOf(query),
      query.from ? idFloor(query.from) : null,
      query.to ? idFloor(query.to) : null,
      await openFloor(manager, endpointId, statuses),
      statuses ?? null,
      types ?? null,
      types ? prefixesOf(types) : null,
      mostScanned,
      limit + 1,
      practiceIds ?? null,
    ];
    const rows: (DeliveryRow & { matches: boolean; nth: string })[] = await manager.query(
      listDeliveriesSql,
      values,
    );
    const found = rows.filter(({ matches }) => matches);
    const shown = found.slice(0, limit);
    const gaveUpAt = rows.find(({ nth }) => Number(nth) === mostScanned);
    const last = found.length > limit ? shown.at(-1) : gaveUpAt;
    return { data: shown.map(toResource), nextCursor: last ? toCursor(last.sequence) : null };
  }

  /** @throws Problem 404, also where the endpoint was deleted: its deliveries are gone with it. */
  get(caller: Caller, id: string): Promise<DeliveryDetail> {
    return this.show(this.reads.within(scopeOf(caller)), id);
  }

  private async show(tx: Tx, id: string): Promise<DeliveryDetail> {
    const row = await read(tx, id);
    const earlier: AttemptRow[] =
      row.attempts > 1 ? await tx.query(earlierAttemptsSql, [id, mostAttemptsShown - 1]) : [];
    const made = earlier.reverse();
    if (row.attempts > 0) made.push(lastAttemptOf(row));
    const answered = made.length > 0 ? await this.responses(tx, id) : new Map<number, string>();
    const attempts = made.map((attempt) =>
      toAttempt({ ...attempt, response: answered.get(attempt.number) }),
    );
    const { attempts: attemptCount, ...shown } = toResource(row);
    return { ...shown, attemptCount, attempts };
  }

  /** What receivers answered, by the number of the attempt; one whose key is gone is left out. */
  private async responses(tx: Tx, id: string): Promise<Map<number, string>> {
    const rows: { number: number; sealed_body: Buffer }[] = await tx.query(responsesSql, [
      id,
      mostAttemptsShown,
    ]);
    const opened = await this.keys.open(
      rows.map(({ number, sealed_body: sealed }) => ({
        sealed,
        binding: bindingOfResponse(id, number),
      })),
    );
    return new Map(
      rows.flatMap(({ number }, i) => {
        const body = opened[i]!;
        return typeof body === 'string' ? [[number, body] as const] : [];
      }),
    );
  }

  /**
   * Makes another attempt due now, whatever came of those before; where the circuit is open, as its probe.
   * @throws Problem 404, also where the endpoint was deleted; 409 where there is nothing to send again.
   */
  async resend(tx: Tx, id: string): Promise<DeliveryDetail> {
    const { endpoint_id: endpointId, event_id: eventId } = await read(tx, id);
    // Held, so that a deletion comes before this (then it is gone) or after it (then it withholds this too).
    const endpoint = await tx.findOne(Endpoint, {
      where: { id: endpointId, deletedAt: IsNull() },
      lock: { mode: 'pessimistic_read' },
    });
    if (!endpoint) throw notFound('delivery');
    const [delivery]: { status: DeliveryStatus; attempts: number; has_event: boolean }[] =
      await tx.query(lockDeliverySql, [id]);
    if (!delivery) throw notFound('delivery');
    if (delivery.status === 'withheld' || !(await inFullView(tx, () => mayStillHear(tx, id)))) {
      throw conflict('delivery_withheld', 'This delivery may no longer be sent.');
    }
    if (delivery.attempts === 0) {
      throw conflict(
        'not_attempted_yet',
        'The first attempt has not been made yet and comes by itself.',
      );
    }
    if (delivery.attempts >= mostAttempts) {
      throw conflict('too_many_attempts', `This was attempted ${mostAttempts} times, that is all.`);
    }
    if (!delivery.has_event) {
      throw conflict(
        'event_expired',
        'Its event has passed retention, so there is nothing left to send.',
      );
    }
    const loss = await inFullView(tx, () => lossOf(tx, this.keys, eventId));
    if (loss) {
      const why = loss === 'erased' ? 'was erased' : 'cannot be read any more';
      throw conflict(`event_${loss}`, `What its event said ${why}, so nothing is left to send.`);
    }
    if (!endpoint.enabled) {
      throw conflict('endpoint_disabled', 'The endpoint is disabled. Enable it, then resend.');
    }
    await tx.query(resendSql, [id]);
    return this.show(tx, id);
  }
}

/** Below which number nothing needs to be looked at for these statuses. */
async function openFloor(tx: Tx, endpointId: string, statuses?: string[]): Promise<string> {
  const wantsOpen = statuses?.every((status) => status === 'pending' || status === 'failed');
  if (!wantsOpen) return '0';
  const [{ floor }] = await tx.query(openFloorSql, [endpointId, statuses!.includes('failed')]);
  // Null where there is no mark: then nothing is known to be settled.
  return floor ?? '0';
}

async function read(tx: Tx, id: string): Promise<DeliveryRow> {
  const [row]: DeliveryRow[] = await tx.query(readDeliverySql, [id]);
  if (!row) throw notFound('delivery');
  return row;
}

/** What names of the wanted types begin with, for patterns; `*` begins every name with nothing. */
export function prefixesOf(patterns: readonly string[]): string[] {
  return patterns.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
}

function toCursor(sequence: string): string {
  return Buffer.from(sequence).toString('base64url');
}

/** The number a page goes on below. @throws Problem 422 for a cursor that this hub did not give. */
function cursorOf({ after }: DeliveryListQuery): string {
  if (after === undefined) return aboveAll;
  const sequence = Buffer.from(after, 'base64url').toString();
  if (!/^\d{1,18}$/.test(sequence)) {
    throw invalidParameter('after', 'unknown_cursor', 'after must be a nextCursor of this list.');
  }
  return sequence;
}

function toResource(row: DeliveryRow): DeliveryResource {
  return {
    id: row.id,
    endpointId: row.endpoint_id,
    eventId: row.event_id,
    eventType: row.event_type,
    practiceId: row.practice_id,
    sequence: Number(row.sequence),
    status: row.status,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    nextAttemptReason: row.next_attempt_reason,
    lastAttemptAt: row.last_attempt_at,
    lastDurationMs: row.last_duration_ms,
    lastOutcome: row.last_outcome,
    lastStatusCode: row.last_status_code,
    lastError: row.last_error,
    withheldReason: row.withheld_reason,
    replayId: row.replay_id,
    createdAt: madeAt(row.id),
  };
}

function lastAttemptOf(row: DeliveryRow): AttemptRow {
  return {
    number: row.attempts,
    at: row.last_attempt_at!,
    duration_ms: row.last_duration_ms!,
    outcome: row.last_outcome!,
    status_code: row.last_status_code,
    error: row.last_error,
  };
}

function toAttempt(row: AttemptRow): AttemptResource {
  return {
    number: row.number,
    at: row.at,
    durationMs: row.duration_ms,
    outcome: row.outcome,
    ...(row.status_code !== null && { statusCode: row.status_code }),
    ...(row.error !== null && { error: row.error }),
    ...(row.response !== undefined && { response: row.response }),
  };
}
