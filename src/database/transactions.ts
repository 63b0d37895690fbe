import { Injectable } from '@nestjs/common';
import type pg from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import { sessionOptions } from './data-source.js';
import type { ApiClient } from './api-pool.js';
import type { PooledClient } from './pooled-client.js';
import { everything, isPracticeId, scopeOfPractices, type Scope } from './scope.js';
import { Signals } from './signals.js';
import { Turns } from './turns.js';

/** A transaction that is under way. Whatever must commit together takes the same one. */
export type Tx = EntityManager;

/** A statement of a hot path: planned once per connection, and sent past the ORM (`execute`). */
export interface Statement {
  /** Unique in the hub. */
  name: string;
  text: string;
}

/** What a transaction knows of itself, kept in its query runner. */
export interface TxState {
  client: PooledClient;
  /** Of the API's: what it sees and writes. */
  scope?: Scope;
  /** What nobody waits for but the end of the transaction, in the order in which it was sent. */
  sent: Promise<unknown>[];
  /** What is still being made ready and has not been sent: the end of the transaction waits for it. */
  preparing?: Promise<void>;
  /** The database's clock when the locks were held. */
  locked?: Promise<Date>;
  emitted?: boolean;
}

/** As much of a transaction as writing events takes: the API's are such, and the engine's, which know no entities. */
export interface EventTx {
  /** Resolves to the rows. */
  query<T>(sql: string, parameters?: unknown[]): Promise<T>;
  readonly queryRunner?: { data: Partial<TxState> };
}

/** Notes that `tx` wrote events, so that readers are woken once it has committed. */
export function markEmitted(tx: EventTx): void {
  stateOf(tx).emitted = true;
}

/**
 * Runs a statement in `tx`. Statements that are sent without waiting for one another (`Promise.all`) travel together
 * and are executed in the order in which they were sent.
 */
export async function execute<Row extends pg.QueryResultRow>(
  tx: EventTx,
  { name, text }: Statement,
  values: unknown[],
): Promise<Row[]> {
  const { client } = stateOf(tx);
  client.gather();
  const { rows } = await client.query<Row>({ name, text, values });
  return rows;
}

/**
 * Sends a statement whose answer nobody needs. It is executed before whatever is sent after it; where it fails, the
 * transaction fails of it. The last writes of a transaction travel with its commit this way.
 */
export function send(tx: Tx, statement: Statement, values: unknown[]): void {
  track(stateOf(tx), execute(tx, statement, values));
}

/**
 * Sends with `work` once something outside of the transaction is ready, in the order of these calls; the transaction
 * ends after it, and fails of it. What is sent meanwhile by others goes first.
 */
export function sendWhen<T>(tx: Tx, ready: Promise<T>, work: (made: T) => void): void {
  const state = stateOf(tx);
  const before = state.preparing;
  state.preparing = (async () => {
    const [made] = await Promise.all([ready, before]);
    work(made);
  })();
  // Looked at when the transaction ends.
  state.preparing.catch(() => undefined);
}

/** Whether `sendWhen` still waits for something. */
export function isPreparing(tx: Tx): boolean {
  return stateOf(tx).preparing !== undefined;
}

/**
 * Runs `work` in sight of all practices: what may be told to whom follows from all there is, and a patient out of sight
 * would pass for one whom anybody may hear of. What `work` finds is for a decision and not for an answer.
 */
export async function inFullView<T>(tx: Tx, work: () => Promise<T>): Promise<T> {
  const { practices, actor } = stateOf(tx).scope!;
  send(tx, scopeOnly, [everything.practices, actor]);
  const result = await work();
  send(tx, scopeOnly, [practices, actor]);
  return result;
}

function track({ sent }: TxState, statement: Promise<unknown>): void {
  sent.push(statement);
  // Looked at when the transaction ends.
  statement.catch(() => undefined);
}

/**
 * How many transactions on one practice have a connection: the one that holds the lock, and the next, which waits for
 * it in the database and goes on the moment it is free. More would only hold connections that others need.
 */
const turnsAtOnce = 2;

/** Opens the transactions in which facts become true. */
@Injectable()
export class Transactions {
  private readonly turns = new Turns(turnsAtOnce, sessionOptions.connectionTimeoutMillis);

  constructor(
    private readonly dataSource: DataSource,
    private readonly signals: Signals,
  ) {}

  /**
   * Runs `work` in one READ COMMITTED transaction that holds the locks of `practiceIds`; what is of no practice is
   * locked by its subject (`endpoints/{id}`).
   *
   * The locks come before anything that assigns a transaction id: the log is ordered by those ids, and they
   * follow the first write, so without this racing writers about one subject come out inverted (12 % did, with
   * an idempotency row written first). Several practices are locked in key order, so that two transactions
   * cannot wait for each other.
   *
   * `work` starts before the locks are held, its statements do not: they queue behind them on the connection. So
   * begin, locks and the first statement are one round trip, and `work` must do nothing past `tx` before it.
   *
   * What comes for a practice at the same time waits its turn in this process first, before it takes a connection: a
   * burst on one practice would take them all else, and wait with them for one lock. Work that takes its locks
   * itself says in `turnsOf` whose turn it waits for.
   *
   * It sees and writes what is of these practices, and with `scope` what that says instead.
   * @throws Error transient where no turn or no connection came in time; nothing was done.
   */
  run<T>(
    practiceIds: readonly string[],
    work: (tx: Tx) => Promise<T>,
    { turnsOf = practiceIds, scope }: { turnsOf?: readonly string[]; scope?: Scope } = {},
  ): Promise<T> {
    const within = scope ?? scopeOfPractices(practiceIds.filter(isPracticeId));
    return this.turns.run(turnsOf, () => this.transact(practiceIds, within, work));
  }

  private async transact<T>(
    practiceIds: readonly string[],
    scope: Scope,
    work: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    try {
      const client: ApiClient = await runner.connect();
      client.leaveScope();
      const state: TxState = { client, scope, sent: [] };
      // Told that it is in one, or the ORM would open transactions of its own.
      Object.assign(runner, { data: state, isTransactionActive: true });
      try {
        begin(runner.manager, practiceIds, scope);
        const result = await work(runner.manager);
        await commit(state);
        if (state.emitted) this.signals.emit('events');
        return result;
      } catch (error) {
        const cause = causeOf([...(await failuresOf(state)), error]);
        await state.client.query('rollback').catch(() => undefined);
        throw cause;
      }
    } finally {
      await runner.release();
    }
  }
}

function begin(tx: Tx, practiceIds: readonly string[], { practices, actor }: Scope): void {
  const state = stateOf(tx);
  state.client.gather();
  track(state, state.client.query('begin isolation level read committed'));
  if (practiceIds.length === 0) {
    track(state, execute(tx, scopeOnly, [practices, actor]));
  } else {
    track(state, holdLocks(tx, scopeWithLocks, [practiceIds, practices, actor]));
  }
}

async function commit(state: TxState): Promise<void> {
  if (state.preparing) await state.preparing;
  const { client, sent } = state;
  client.gather();
  const [{ command }] = await Promise.all([client.query('commit'), ...sent]);
  // The answer to a commit after a statement that had failed, which PostgreSQL calls no error.
  if (command !== 'COMMIT') throw new Error('A statement of the transaction had failed');
}

async function failuresOf({ sent, preparing }: TxState): Promise<unknown[]> {
  // It may send something yet, which must not come behind the rollback.
  await preparing?.catch(() => undefined);
  const settled = await Promise.allSettled(sent);
  return settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
}

const inFailedTransaction = '25P02';

// What was sent behind a statement that failed has failed of that.
function causeOf(failures: unknown[]): unknown {
  const own = failures.find((each) => (each as { code?: string }).code !== inFailedTransaction);
  return own ?? failures[0];
}

function stateOf(tx: EventTx): TxState {
  return tx.queryRunner!.data as TxState;
}

/** Takes the practices' locks until the transaction ends. Must come before its first write. */
export function lockPractices(tx: EventTx, practiceIds: readonly string[]): Promise<void> {
  return holdLocks(tx, practiceLock, [practiceIds]);
}

async function holdLocks(tx: EventTx, statement: Statement, values: unknown[]): Promise<void> {
  const rows = execute<{ now: Date }>(tx, statement, values);
  const locked = rows.then(([row]) => row!.now);
  stateOf(tx).locked = locked;
  await locked;
}

/**
 * The database's clock, to the millisecond: in a transaction with locks the moment they were held, so that what
 * happens to a practice one after the other has rising times, whichever hub it came to.
 */
export async function databaseTime(tx: EventTx): Promise<Date> {
  const locked = tx.queryRunner && stateOf(tx).locked;
  if (locked) return locked;
  const [{ now }] = await tx.query<[{ now: Date }]>(
    `select clock_timestamp()::timestamptz(3) as now`,
  );
  return now;
}

const locksSql = `
    from (
      select pg_advisory_xact_lock(key), clock_timestamp()::timestamptz(3) as now
      from (select distinct hashtextextended(id, 0) as key from unnest($1::text[]) as id order by key) as keys
    ) as locks`;

const practiceLock: Statement = {
  name: 'practice-lock',
  text: `select max(now) as now ${locksSql}`,
};

// For this transaction alone: what the session was told before holds again when it ends. Told with the locks, it costs
// no statement of its own.
const scopeWithLocks: Statement = {
  name: 'practice-lock-scoped',
  text: `
    select max(now) as now, set_config('hub.practices', $2, true), set_config('hub.actor', $3, true) ${locksSql}`,
};

const scopeOnly: Statement = {
  name: 'scope-of-transaction',
  text: `select set_config('hub.practices', $1, true), set_config('hub.actor', $2, true)`,
};
