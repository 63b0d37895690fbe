import pg from 'pg';
import type { EnginePool } from '../../database/engine-pool.js';
import { isTransient } from '../../database/errors.js';
import { EventTooLarge } from '../../events/outbox/outbox.js';
import { SchemaViolation } from '../../events/outbox/validate.js';
import type { Logger } from '../../platform/logger.js';
import { bindingOfResponse } from '../../sealing/bindings.js';
import type { DataKeys } from '../../sealing/data-keys.js';
import { MasterKeyMissing } from '../../sealing/master-keys.js';
import type { AttemptResult } from './delivery.js';
import type { DeadLetters } from './dead-letters.js';
import type { Lane } from './lane.js';
import type { ShardOwner } from './shard-owner.js';
import { AttemptsProof } from '../../audit/delivery-proof.js';
import {
  recordDeliveredDisclosingSql,
  recordDeliveredSql,
  recordDisclosingSql,
  recordSql,
} from './sql/record.js';

const mostAtOnce = 1000;
const retryMs = 250;
/** Where results come in by so many at a time, it pays to let more of them gather: a batch costs as much as ten results. */
const gatherFrom = 30;
const gatherMs = 8;
const gatherTo = 400;

/** A statement that records results. */
export interface Recording {
  name: string;
  text: string;
  values: unknown[];
}

export interface LaneResult {
  lane: Lane;
  result: AttemptResult;
}

/**
 * Writes results in batches, one batch at a time: what comes in while one is written makes up the next, so that
 * batches grow with the load and an idle hub records at once.
 */
export class ResultRecorder {
  private waiting: LaneResult[] = [];
  private writing?: Promise<void>;
  private onGathered?: () => void;

  constructor(
    private readonly pool: EnginePool,
    private readonly owner: ShardOwner,
    private readonly deadLetters: DeadLetters,
    private readonly keys: DataKeys,
    private readonly logger: Logger,
    /** Told when results are in the table, or void because the shard has gone to another. */
    private readonly onSettled: (results: readonly LaneResult[]) => void,
  ) {}

  /** How many results are not in the table yet. */
  get backlog(): number {
    return this.waiting.length;
  }

  add(lane: Lane, result: AttemptResult): void {
    this.waiting.push({ lane, result });
    if (this.waiting.length >= gatherTo || result.delivery.orderKey !== null) this.onGathered?.();
    this.writing ??= this.writeAll();
  }

  /** Resolves when everything added so far is settled. */
  async drain(): Promise<void> {
    await this.writing;
  }

  private async writeAll(): Promise<void> {
    // The first result of a quiet moment takes along those that arrive in the same turn.
    await new Promise(setImmediate);
    let former = 0;
    while (this.waiting.length > 0) {
      if (former >= gatherFrom) await this.gather();
      const batch = this.waiting.slice(0, mostAtOnce);
      this.waiting = this.waiting.slice(mostAtOnce);
      const first = batch.filter(isPlain);
      const others = batch.filter((entry) => !isPlain(entry));
      await Promise.all([
        this.insist(first, (ours) => this.recordDelivered(ours)),
        this.insist(others, (ours) => this.record(ours)),
      ]);
      former = batch.length;
      this.onSettled(batch);
    }
    this.writing = undefined;
  }

  // Not where deliveries follow: each waits for the one before it to be recorded.
  private async gather(): Promise<void> {
    const isOrdered = this.waiting.some(({ result }) => result.delivery.orderKey !== null);
    if (isOrdered || this.waiting.length >= gatherTo) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, gatherMs);
      this.onGathered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.onGathered = undefined;
  }

  private async insist(
    batch: readonly LaneResult[],
    write: (ours: readonly LaneResult[]) => Promise<unknown>,
  ): Promise<void> {
    for (;;) {
      // The webhooks are out. As long as the shards are ours nobody else sends them, so it pays to insist; once
      // another owns a shard its results are void.
      const ours = batch.filter(({ lane }) => this.owner.epochOf(lane.target.shard) === lane.epoch);
      if (ours.length === 0) return;
      try {
        await write(ours);
        return;
      } catch (error) {
        if (isRefusal(error)) return this.recordApart(ours, error, write);
        this.logger.warn({ err: error, results: ours.length }, 'recording failed, trying again');
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  // One result that can never be written must not hold up all others of this process: halves find it.
  private async recordApart(
    batch: readonly LaneResult[],
    error: unknown,
    write: (ours: readonly LaneResult[]) => Promise<unknown>,
  ): Promise<void> {
    const [first] = batch;
    if (batch.length > 1) {
      const half = Math.ceil(batch.length / 2);
      await this.insist(batch.slice(0, half), write);
      await this.insist(batch.slice(half), write);
    } else if (first) {
      const { delivery } = first.result;
      this.logger.error(
        { err: error, deliveryId: delivery.id },
        'a result cannot be recorded as it is',
      );
      const plain = { ...first.result, error: null, response: null };
      await this.pool
        .query(this.statement([{ lane: first.lane, result: plain }], [null]))
        .catch((again) =>
          this.logger.error({ err: again, deliveryId: delivery.id }, 'a result is lost'),
        );
    }
  }

  private recordDelivered(batch: readonly LaneResult[]): Promise<unknown> {
    const disclosing = batch.some(discloses);
    const columns: unknown[][] = [[], [], [], [], []];
    const proof = new AttemptsProof(batch.length);
    const told: unknown[][] = disclosing ? [[], [], [], [], []] : [];
    let [least, most] = [batch[0]!.result.delivery.id, ''];
    for (const { lane, result } of batch) {
      const { id } = result.delivery;
      const at = result.at.toISOString();
      if (id < least) least = id;
      if (id > most) most = id;
      columns[0]!.push(id);
      columns[1]!.push(lane.target.shard);
      // Quoted, since PostgreSQL's array literal is written here: the driver would look for what to escape in each.
      columns[2]!.push(`"${at}"`);
      columns[3]!.push(Math.round(result.durationMs));
      columns[4]!.push(result.statusCode);
      proof.add(lane.target.id, id, 1, at, result.outcome, result.statusCode);
      // A null is spelled NULL here, and the text of a mode needs no quotes.
      if (disclosing) disclosureOf(result).forEach((value, i) => told[i]!.push(value ?? 'NULL'));
    }
    const lists = [columns, told].map((each) => each.map((column) => `{${column.join()}}`));
    const values = [...this.fence(batch), least, most, ...lists[0]!, proof.detail(), ...lists[1]!];
    return this.pool.query(
      disclosing
        ? { name: 'record-delivered-disclosing', text: recordDeliveredDisclosingSql, values }
        : { name: 'record-delivered', text: recordDeliveredSql, values },
    );
  }

  private async record(batch: readonly LaneResult[]): Promise<void> {
    const dead = batch.filter(({ result }) => result.status === 'dead');
    const open = batch.filter(({ result }) => result.status !== 'dead');
    if (open.length > 0) {
      await this.pool.query(this.statement(open, await this.sealResponses(open)));
    }
    if (dead.length > 0) {
      await this.deadLetters.record(dead, this.statement(dead, await this.sealResponses(dead)));
    }
  }

  private statement(
    batch: readonly LaneResult[],
    responses: readonly (Buffer | null)[],
  ): Recording {
    const values = this.columns(batch, responses);
    if (!batch.some(discloses)) return { name: 'record', text: recordSql, values };
    const disclosures = batch.map(({ result }) => disclosureOf(result));
    const lists = [0, 1, 2, 3, 4].map((i) => disclosures.map((values) => values[i] ?? null));
    return {
      name: 'record-disclosing',
      text: recordDisclosingSql,
      values: [...values, ...lists],
    };
  }

  /**
   * What receivers answered may echo an event: it is sealed as that is, and lost with the same key. Where a key cannot
   * be had for another reason than the database's being away, the answer is not kept: no result waits for it.
   */
  private async sealResponses(batch: readonly LaneResult[]): Promise<(Buffer | null)[]> {
    const answered = batch.filter(({ result }) => result.response !== null);
    try {
      await this.keys.prepare(answered.map(({ result }) => result.delivery.event.practiceId));
    } catch (error) {
      if (isTransient(error)) throw error;
      // Of which the keys have told already.
      if (!(error instanceof MasterKeyMissing)) {
        this.logger.error({ err: error }, 'what receivers answered is not kept, for want of a key');
      }
    }
    return batch.map(({ result: { delivery, number, response } }) => {
      if (response === null) return null;
      const key = this.keys.sealing(delivery.event.practiceId);
      return key?.seal(response, bindingOfResponse(delivery.id, number)) ?? null;
    });
  }

  private fence(batch: readonly LaneResult[]): unknown[] {
    const epochs = new Map(batch.map(({ lane }) => [lane.target.shard, lane.epoch]));
    return [this.owner.id, [...epochs.keys()], [...epochs.values()]];
  }

  private columns(batch: readonly LaneResult[], responses: readonly (Buffer | null)[]): unknown[] {
    const results = batch.map(({ result }) => result);
    const proof = new AttemptsProof(batch.length);
    for (const { lane, result } of batch) {
      const { delivery, number, at, outcome, statusCode } = result;
      proof.add(lane.target.id, delivery.id, number, at.toISOString(), outcome, statusCode);
    }
    return [
      ...this.fence(batch),
      results.map(({ delivery }) => delivery.id),
      batch.map(({ lane }) => lane.target.shard),
      results.map(({ number }) => number),
      results.map(({ status }) => status),
      results.map(({ retryInSeconds }) => retryInSeconds),
      results.map(({ at }) => at),
      results.map(({ durationMs }) => Math.round(durationMs)),
      results.map(({ outcome }) => outcome),
      results.map(({ statusCode }) => statusCode),
      results.map(({ error }) => error),
      results.map(({ delivery }) => delivery.orderKey),
      results.map(({ delivery }) => delivery.replayId),
      responses,
      proof.detail(),
    ];
  }
}

function discloses({ result }: LaneResult): boolean {
  return result.disclosure !== undefined;
}

/** In the order of the statements' columns. */
function disclosureOf({ disclosure: told }: AttemptResult): (string | null | undefined)[] {
  return [told?.patientId, told?.accountId, told?.partnerId, told?.mode, told?.grantId];
}

/** A first attempt out of the stream that succeeded: nothing but its own row changes. */
function isPlain({ result }: LaneResult): boolean {
  return result.status === 'delivered' && result.number === 1 && result.delivery.from === 'stream';
}

/** SQLSTATE classes of what is wrong with the values themselves, or an event that the outbox refuses. */
function isRefusal(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return /^(21|22|23|44|P0)/.test(error.code ?? '');
  return error instanceof EventTooLarge || error instanceof SchemaViolation;
}
