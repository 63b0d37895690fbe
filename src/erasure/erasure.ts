import { writeEntriesSql } from '../audit/sql/write.js';
import type { EnginePool } from '../database/engine-pool.js';
import type { EngineTransactions } from '../database/engine-transactions.js';
import type { Signals } from '../database/signals.js';
import type { Outbox } from '../events/outbox/outbox.js';
import { bindingOfAnswer } from '../sealing/bindings.js';
import { erasedMark } from '../sealing/data-key.js';
import type { DataKeys } from '../sealing/data-keys.js';
import { withholdSql } from '../subscriptions/deliveries/sql/record.js';
import {
  openDeliveries,
  pieceSize,
  responsesAbout,
  type Progress,
  type Subject,
} from './history-pieces.js';
import {
  entryOf,
  eraseRecord,
  type Counts,
  type ErasureRequest,
  type ErasureRow,
} from './patient-record.js';
import {
  addCountsSql,
  answersSql,
  eraseAnswersSql,
  eraseEventsSql,
  eraseResponsesSql,
  finishSql,
  isWithheldSql,
  tellHubsSql,
} from './sql/erase-history.js';

/** Kept answers opened at a time. */
const answersAtOnce = 500;

interface EventsPiece {
  last: string | null;
  seen: number;
  erased: number;
}

interface AnswerRow {
  identity: string;
  route: string;
  key: string;
  sealed_body: Buffer;
}

/** Carries the counts out of a transaction that is to leave nothing. */
class Previewed extends Error {
  constructor(readonly erasure: ErasureRow) {
    super('nothing was erased');
  }
}

/**
 * Erases a patient from all that the hub keeps, while hubs run. Every step may be repeated and each notes in its own
 * transaction what it has done: what was killed midway goes on where it was when it is run again.
 */
export class Erasure {
  constructor(
    private readonly pool: EnginePool,
    private readonly transactions: EngineTransactions,
    private readonly outbox: Outbox,
    private readonly keys: DataKeys,
    private readonly signals: Signals,
    private readonly onProgress: Progress = () => undefined,
  ) {}

  /** What `run` would erase, as far as it can be known before. Changes nothing. @throws ErasureRefused */
  async preview(request: ErasureRequest): Promise<ErasureRow> {
    const erasure = await this.transactions
      .run(async (tx) => {
        throw new Previewed(await eraseRecord(tx, this.outbox, request));
      })
      .catch((error: unknown) => {
        if (error instanceof Previewed) return error.erasure;
        throw error;
      });
    const about = subjectOf(erasure);
    const open = new Set<string>();
    for await (const ids of openDeliveries(this.pool, about, this.onProgress)) {
      for (const id of ids) open.add(id);
    }
    let responses = 0;
    for await (const { ids } of responsesAbout(this.pool, about, this.onProgress)) {
      responses += ids.length;
    }
    const counts = {
      ...erasure.counts,
      events: await this.eraseEvents(erasure, false),
      deliveries: open.size,
      responses,
    };
    return { ...erasure, counts };
  }

  /**
   * Erases, or goes on where a former run was cut off; of what is finished, says what it was.
   * @throws ErasureRefused for an unknown patient, and for one who is expected.
   */
  async run(request: ErasureRequest): Promise<ErasureRow> {
    const erasure = await this.transactions.run((tx) => eraseRecord(tx, this.outbox, request));
    if (erasure.finished_at) return erasure;
    await this.withhold(erasure);
    await this.eraseEvents(erasure, true);
    // What was routed or queued meanwhile, before its event was erased. Hubs forget what they have in memory, and from
    // then on no result of it is recorded, nor what its receiver answered.
    await this.withhold(erasure);
    await this.eraseResponses(erasure);
    await this.eraseAnswers(erasure);
    return this.finish(erasure, request.orderedBy);
  }

  private finish({ id }: ErasureRow, onBehalfOf: string): Promise<ErasureRow> {
    return this.pool.transaction(async (client) => {
      const { rows } = await client.query<ErasureRow>(finishSql, [id]);
      const done = rows[0]!;
      const told = { counts: done.counts, accounts: done.account_ids, onBehalfOf };
      const entry = entryOf(done, 'patient.erasure_finished', told);
      await client.query(writeEntriesSql, [JSON.stringify([entry])]);
      return done;
    });
  }

  // One by one: whoever records results locks several, in an order of its own.
  private async withhold(erasure: ErasureRow): Promise<void> {
    const done = new Set<string>();
    for await (const ids of openDeliveries(this.pool, subjectOf(erasure), this.onProgress)) {
      for (const id of ids) {
        if (done.has(id)) continue;
        done.add(id);
        await this.pool.transaction(async (client) => {
          await client.query(withholdSql, [[id], 'erased']);
          // What was to be sent once more stays delivered.
          const { rowCount } = await client.query(isWithheldSql, [id]);
          await client.query(addCountsSql, [erasure.id, null, { deliveries: rowCount }]);
        });
      }
    }
    // What lanes have in memory they read again, and find it withheld.
    await this.pool.query(tellHubsSql, [erasure.id]);
    this.signals.emit('keys');
  }

  private async eraseEvents(erasure: ErasureRow, forGood: boolean): Promise<number> {
    let after = erasure.events_through;
    let [seen, erased] = [0, 0];
    for (;;) {
      // The roles of the hub may not change an event.
      const piece = await this.pool.transactionAsOwner(async (client) => {
        const values = [...subjectOf(erasure), after, pieceSize, forGood];
        const { rows } = await client.query<EventsPiece>(eraseEventsSql, values);
        const { last, erased: events } = rows[0]!;
        if (forGood) await client.query(addCountsSql, [erasure.id, last, { events }]);
        return rows[0]!;
      });
      seen += piece.seen;
      erased += piece.erased;
      this.onProgress('event', seen);
      if (piece.seen < pieceSize) return erased;
      after = piece.last!;
    }
  }

  private async eraseResponses(erasure: ErasureRow): Promise<void> {
    const about = subjectOf(erasure);
    for await (const { ids, numbers } of responsesAbout(this.pool, about, this.onProgress)) {
      if (ids.length === 0) continue;
      await this.counted(erasure, 'responses', eraseResponsesSql, [ids, numbers]);
    }
  }

  // Only what they say tells whom they are about.
  private async eraseAnswers(erasure: ErasureRow): Promise<void> {
    const { practice_id, patient_id, account_ids } = erasure;
    let after = ['', '', ''];
    for (;;) {
      const values = [practice_id, ...after, answersAtOnce];
      const { rows } = await this.pool.query<AnswerRow>(answersSql, values);
      const texts = await this.keys.open(
        rows.map(({ identity, route, key, sealed_body: sealed }) => ({
          sealed,
          binding: bindingOfAnswer([identity, route, key]),
        })),
      );
      const gone = rows.filter((_, i) => {
        const text = texts[i]!;
        return (
          typeof text === 'string' && [patient_id, ...account_ids].some((id) => text.includes(id))
        );
      });
      const keys = (['identity', 'route', 'key'] as const).map((part) =>
        gone.map((row) => row[part]),
      );
      await this.counted(erasure, 'answers', eraseAnswersSql, [...keys, erasedMark]);
      const last = rows.at(-1);
      if (!last || rows.length < answersAtOnce) return;
      after = [last.identity, last.route, last.key];
    }
  }

  private async counted(
    { id }: ErasureRow,
    what: string,
    sql: string,
    values: unknown[],
  ): Promise<void> {
    await this.pool.transaction(async (client) => {
      const { rowCount } = await client.query(sql, values);
      const counts: Counts = { [what]: rowCount ?? 0 };
      await client.query(addCountsSql, [id, null, counts]);
    });
  }
}

function subjectOf({ practice_id, patient_id, account_ids }: ErasureRow): Subject {
  return [practice_id, patient_id, account_ids];
}
