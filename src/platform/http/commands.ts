import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { recordCommand } from '../../audit/record-command.js';
import {
  execute,
  lockPractices,
  send,
  Transactions,
  type Statement,
  type Tx,
} from '../../database/transactions.js';
import { bindingOfAnswer } from '../../sealing/bindings.js';
import type { DataKey } from '../../sealing/data-key.js';
import { DataKeys } from '../../sealing/data-keys.js';
import { isPracticeId, scopeOfPractices, type Scope } from '../../database/scope.js';
import { scopeOf as scopeOfCaller } from '../access/caller.js';
import { Answer } from './answer.js';
import { conflict, Problem } from './problem.js';
import type { RequestContext } from './request-context.js';

interface KeptAnswer {
  body_hash: Buffer;
  status: number;
  location: string | null;
  sealed_body: Buffer | null;
}

/**
 * Runs what changes things: one transaction, the practices' locks, and at most once per idempotency key. Its entry in
 * the audit trail commits with it, and travels with the commit.
 */
@Injectable()
export class Commands {
  constructor(
    private readonly transactions: Transactions,
    private readonly keys: DataKeys,
  ) {}

  /**
   * Runs `work` in a transaction that holds the practices' locks. With an `Idempotency-Key` the answer is kept in
   * the same transaction for 24 hours: a repetition gets it again and changes nothing.
   * @throws Problem 409 while the first request is under way, 422 when the key came with another body before.
   */
  async run(
    context: RequestContext,
    practiceIds: readonly string[],
    work: (tx: Tx) => Promise<Answer>,
  ): Promise<Answer> {
    const key = context.idempotencyKey;
    const within = { scope: scopeOfCommand(context, practiceIds) };
    if (key === undefined) {
      const audit = async (tx: Tx) => audited(tx, context, await work(tx));
      return this.transactions.run(practiceIds, audit, within);
    }
    const once = async (tx: Tx) => {
      const scope = scopeOf(context, key);
      const bodyHash = hashOf(context.body);
      const kept = await this.claim(tx, scope, bodyHash);
      if (kept) return audited(tx, context, kept);
      if (practiceIds.length > 0) await lockPractices(tx, practiceIds);
      const answer = await work(tx);
      keep(tx, scope, bodyHash, answer, await this.sealingFor(practiceIds));
      return audited(tx, context, answer);
    };
    return this.transactions.run([], once, { ...within, turnsOf: practiceIds });
  }

  /**
   * As `run`, for work that waits for somebody else's server and so must not be a transaction. Its key is marked as
   * in flight instead of being locked; the mark of a hub that died meanwhile counts no more after a minute.
   */
  async runOutside(context: RequestContext, work: () => Promise<Answer>): Promise<Answer> {
    const key = context.idempotencyKey;
    const within = { scope: scopeOfCaller(context.caller) };
    if (key === undefined) {
      const answer = await work();
      return this.transactions.run([], async (tx) => audited(tx, context, answer), within);
    }
    const scope = scopeOf(context, key);
    const bodyHash = hashOf(context.body);
    const once = async (tx: Tx) => {
      const found = await this.claim(tx, scope, bodyHash);
      if (found) return audited(tx, context, found);
      keep(tx, scope, bodyHash, inFlight, this.keys.own);
      return undefined;
    };
    const kept = await this.transactions.run([], once, within);
    if (kept) return kept;
    try {
      const answer = await work();
      const settle = async (tx: Tx) => {
        keep(tx, scope, bodyHash, answer, this.keys.own);
        return audited(tx, context, answer);
      };
      return await this.transactions.run([], settle, within);
    } catch (error) {
      const forget = (tx: Tx) => tx.query(forgetSql, scope);
      await this.transactions.run([], forget, within).catch(() => undefined);
      throw error;
    }
  }

  /**
   * The answer that is kept under a key, or none and the key is the caller's until its transaction ends.
   * @throws Problem 409 while the first request is under way, 422 when the key came with another body before.
   */
  private async claim(tx: Tx, scope: string[], bodyHash: Buffer): Promise<Answer | undefined> {
    // A lock and not a row: a request that dies leaves nothing behind that would block its repetition, and
    // nothing is written before the practice's lock.
    const [[lock], [kept]] = await Promise.all([
      execute<{ free: boolean }>(tx, tryKey, [scope.join('\n')]),
      execute<KeptAnswer>(tx, findKept, [...scope, inFlight.status]),
    ]);
    if (!lock!.free) throw stillUnderWay();
    if (!kept) return undefined;
    if (!bodyHash.equals(kept.body_hash)) {
      throw new Problem(
        422,
        'idempotency_key_reused',
        'This Idempotency-Key was used with another body. Use a new key for a new request.',
      );
    }
    if (kept.status === inFlight.status) throw stillUnderWay();
    return Answer.kept(kept.status, await this.bodyOf(kept, scope), kept.location);
  }

  private async bodyOf(
    { sealed_body: sealed }: KeptAnswer,
    scope: string[],
  ): Promise<object | null> {
    if (sealed === null) return null;
    const [opened] = await this.keys.open([{ sealed, binding: bindingOfAnswer(scope) }]);
    if (typeof opened === 'string') return JSON.parse(opened) as object;
    throw new Problem(
      410,
      'answer_erased',
      'This request was answered before, and the answer was erased since. It was not carried out again.',
    );
  }

  /** An answer of one practice is lost with its key, as its events are. */
  private async sealingFor(practiceIds: readonly string[]): Promise<DataKey> {
    const [only, ...others] = practiceIds;
    if (only === undefined || others.length > 0 || !isUUID(only)) return this.keys.own;
    await this.keys.prepare([only]);
    return this.keys.sealing(only)!;
  }
}

const tryKey: Statement = {
  name: 'key-try',
  text: `select pg_try_advisory_xact_lock(hashtextextended($1, 1)) as free`,
};

const findKept: Statement = {
  name: 'key-find',
  text: `
    select body_hash, status, location, sealed_body from idempotency_keys
    where identity = $1 and route = $2 and key = $3
      and created_at > now() - case when status = $4 then interval '1 minute' else interval '24 hours' end`,
};

const keepAnswer: Statement = {
  name: 'key-keep',
  text: `
    insert into idempotency_keys (identity, route, key, body_hash, status, location, sealed_body)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (identity, route, key) do update
      set body_hash = excluded.body_hash, status = excluded.status, location = excluded.location,
          sealed_body = excluded.sealed_body, created_at = excluded.created_at`,
};

/** What is kept while the answer is not known yet: 102 Processing. */
const inFlight = Answer.kept(102, null, null);

const forgetSql = `delete from idempotency_keys where identity = $1 and route = $2 and key = $3`;

function keep(tx: Tx, scope: string[], bodyHash: Buffer, answer: Answer, sealing: DataKey): void {
  const { status, location, body } = answer;
  const sealed = body && sealing.seal(JSON.stringify(body), bindingOfAnswer(scope));
  send(tx, keepAnswer, [...scope, bodyHash, status, location, sealed]);
}

function audited(tx: Tx, context: RequestContext, answer: Answer): Answer {
  if (!answer.unchanged) recordCommand(tx, context.request, answer);
  return answer;
}

/** Of the practices that a command is about; of one that is about none, all that its caller reaches. */
function scopeOfCommand({ caller }: RequestContext, practiceIds: readonly string[]): Scope {
  const isOfPractices = practiceIds.length > 0 && practiceIds.every(isPracticeId);
  return isOfPractices ? scopeOfPractices(practiceIds, caller.actor) : scopeOfCaller(caller);
}

function scopeOf(context: RequestContext, key: string): string[] {
  const { actor, sandbox } = context.caller;
  // Test and live keys of one application see different worlds.
  return [sandbox ? `${actor} test` : actor, context.route, key];
}

function stillUnderWay(): Problem {
  return conflict(
    'idempotency_key_in_flight',
    'A request with this Idempotency-Key is still under way. Repeat it in a moment.',
  );
}

function hashOf(body: unknown): Buffer {
  return createHash('sha256')
    .update(JSON.stringify(sorted(body ?? {})))
    .digest();
}

// The order of an object's members carries no meaning in JSON, so it must not make another request.
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([name, member]) => [name, sorted(member)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
