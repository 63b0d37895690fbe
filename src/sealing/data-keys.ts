import { randomBytes } from 'node:crypto';
import type { EnginePool } from '../database/engine-pool.js';
import type { Signals } from '../database/signals.js';
import type { Logger } from '../platform/logger.js';
import { DataKey, isErased, keyNumberOf, SealBroken } from './data-key.js';
import { bindingOfKey, KeysAtHand, type ChangedRow, type KeyRow } from './keys-at-hand.js';
import type { MasterKeys } from './master-keys.js';
import {
  activeKeysSql,
  changedKeysSql,
  erasedAtSql,
  keysByNumberSql,
  makeKeysSql,
  nowSql,
  ownKeysSql,
} from './sql/data-keys.js';

/** How long a hub may go on with a key that was destroyed, where the signal is lost. */
const pollMs = 3000;

/** Why something sealed is not there any more, or never will be. */
export type Lost = 'erased' | 'unreadable';

/**
 * Not lost: the master key that wraps its data key was not given to this hub. It opens once that is given, so nothing
 * may be decided for good because of it.
 */
export interface Locked {
  lost: 'locked';
}

/** Something that is sealed, and what it belongs to. */
export interface Sealed {
  sealed: Buffer;
  binding: string;
}

/**
 * The data keys: one for each practice, and the hub's own for what is of none. They lie in the database, wrapped under
 * a master key that does not; here are those in use, unwrapped.
 */
export class DataKeys {
  private readonly known: KeysAtHand;
  private readonly observers = new Set<() => void>();
  private ownKey?: DataKey;
  /** By the database's clock: what was retired or destroyed before is known. */
  private seenThrough = '';
  private erasedAt: string | null = null;
  /** Why it could not follow, the last time. */
  private fault = '';
  private timer?: NodeJS.Timeout;
  private silence?: () => void;
  private following: Promise<void> = Promise.resolve();

  constructor(
    private readonly pool: EnginePool,
    readonly master: MasterKeys,
    private readonly signals: Signals,
    private readonly logger: Logger,
  ) {
    this.known = new KeysAtHand(master, logger);
  }

  /**
   * Has the hub's own key at hand, made at the first start, and follows what becomes of all others.
   * @throws MasterKeyMissing where it cannot be unwrapped.
   */
  async start(): Promise<void> {
    // No key is at hand yet: what changed before needs no look.
    this.seenThrough = await this.databaseTime();
    this.ownKey = (await this.readOwn()) ?? (await this.makeOwn());
    this.silence = this.signals.on('keys', () => this.followSoon());
    this.timer = setInterval(() => this.followSoon(), pollMs).unref();
    await this.follow();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.silence?.();
    await this.following;
  }

  /** Seals what is of no practice, or of several. */
  get own(): DataKey {
    return this.ownKey!;
  }

  /** Seals what is a practice's. Undefined where it is not at hand: `prepare` brings it. */
  sealing(practiceId: string | null): DataKey | undefined {
    return practiceId === null ? this.ownKey : this.known.sealing(practiceId);
  }

  /**
   * Brings the keys of practices to hand, and makes those that there are not: read and made all together, however
   * many. Undefined where nothing has to be waited for, which is nearly always.
   *
   * A key is made in a transaction of its own, before that of its first payload: what was rolled back must not have
   * left a payload under a key that nobody has. So there may be keys of practices that were never made.
   *
   * Rejects with MasterKeyMissing where some are locked; the others are at hand then.
   */
  prepare(practiceIds: readonly (string | null)[]): Promise<void> | undefined {
    const wanted = practiceIds.filter((id) => id !== null);
    return wanted.every((id) => this.known.holdSealing(id))
      ? undefined
      : this.bring([...new Set(wanted)]);
  }

  /**
   * Opens what is sealed, under whatever keys; those that are not at hand are read together.
   * @returns the texts in the same order; why not, where one cannot be opened.
   * @throws MasterKeyMissing, or what the database throws: then it says nothing about what is sealed.
   */
  async open(all: readonly Sealed[]): Promise<(string | { lost: Lost })[]> {
    const opened = await this.openBeforeLocked(all);
    if (opened.length < all.length) throw this.known.missing();
    return opened;
  }

  /** As `open`, as far as the first one that is locked, for those who keep to an order. */
  async openBeforeLocked(all: readonly Sealed[]): Promise<(string | { lost: Lost })[]> {
    await this.have(all);
    const opened = all.map((each) => this.openNow(each));
    const locked = this.known.lockedCount > 0 ? opened.findIndex(isLocked) : -1;
    return (locked < 0 ? opened : opened.slice(0, locked)) as (string | { lost: Lost })[];
  }

  /** How many data keys wait for a master key: of those that something needed, as of some seconds ago. */
  get lockedCount(): number {
    return this.known.lockedCount;
  }

  /** Brings to hand what `openNow` needs. Of keys that are locked `follow` looks whether they still are. */
  have(all: readonly Pick<Sealed, 'sealed'>[]): Promise<void> | undefined {
    const missing = new Set<number>();
    for (const { sealed } of all) {
      const number = keyNumberOf(sealed);
      if (number !== undefined && !this.known.holdOpening(number)) missing.add(number);
    }
    return missing.size === 0 ? undefined : this.read([...missing]);
  }

  /** A key that is at hand, by its number. */
  atHand(number: number): DataKey | undefined {
    const key = this.known.get(number);
    return key instanceof DataKey ? key : undefined;
  }

  /** Opens with a key at hand, see `have`. */
  openNow({ sealed, binding }: Sealed): string | { lost: Lost } | Locked {
    if (isErased(sealed)) return erased;
    const number = keyNumberOf(sealed);
    const key = number === undefined ? undefined : this.known.get(number);
    if (key === 'destroyed') return erased;
    if (key === undefined) return this.known.isLocked(number) ? locked : unreadable;
    try {
      return key.open(sealed, binding);
    } catch (error) {
      if (error instanceof SealBroken) return unreadable;
      throw error;
    }
  }

  /**
   * Calls `observer` when keys were destroyed, or something was erased without its key: what was opened before is not
   * to be kept.
   */
  onDestroyed(observer: () => void): () => void {
    this.observers.add(observer);
    return () => this.observers.delete(observer);
  }

  private async bring(practiceIds: readonly string[]): Promise<void> {
    // Of all that are wanted, since one that was at hand may be retired while the others are read.
    const locked = new Set<string>();
    const lacking = () =>
      practiceIds.filter((id) => !this.known.holdSealing(id) && !locked.has(id));
    let missing = lacking();
    // Where somebody else makes them at the same moment, they are there at the second look.
    for (let turn = 0; turn < 3 && missing.length > 0; turn += 1) {
      if (turn > 0) await this.make(missing);
      const { rows } = await this.pool.query<KeyRow>({
        name: 'data-keys-active',
        text: activeKeysSql,
        values: [missing],
      });
      for (const row of rows) {
        if (!this.known.takeSealing(row)) locked.add(row.practice_id!);
      }
      missing = lacking();
    }
    if (missing.length > 0) throw new Error('The data keys of practices could not be made');
    if (locked.size > 0) throw this.known.missing();
  }

  private async make(practiceIds: readonly (string | null)[]): Promise<void> {
    const made = practiceIds.map((id) => this.master.wrap(randomBytes(32), bindingOfKey(id)));
    const values = [practiceIds, made.map(({ wrapped }) => wrapped), this.master.firstId];
    await this.pool.query(makeKeysSql, values);
  }

  private async readOwn(): Promise<DataKey | undefined> {
    const { rows } = await this.pool.query<KeyRow>(ownKeysSql);
    const [own] = rows.map((row) => this.known.unwrap(row));
    return own;
  }

  private async makeOwn(): Promise<DataKey> {
    await this.make([null]);
    return (await this.readOwn())!;
  }

  private async read(numbers: number[]): Promise<void> {
    const { rows } = await this.pool.query<KeyRow>({
      name: 'data-keys-by-number',
      text: keysByNumberSql,
      values: [numbers],
    });
    for (const row of rows) this.known.takeOpening(row);
  }

  private async lookAtLocked(): Promise<void> {
    const numbers = this.known.lockedNumbers;
    if (numbers.length > 0) await this.read(numbers);
    this.known.tellWhetherUnlocked();
  }

  private followSoon(): void {
    this.following = this.following.then(() =>
      this.follow().then(
        () => void (this.fault = ''),
        (error: unknown) => this.told(error),
      ),
    );
  }

  // A missing master key may stay missing for long, and is looked for every few seconds.
  private told(error: unknown): void {
    const { message } = error as Error;
    if (message !== this.fault) {
      this.logger.warn({ err: error }, 'keys were not looked at, trying again');
    }
    this.fault = message;
  }

  /** Forgets keys that were destroyed, and no longer seals with those that were retired. */
  private async follow(): Promise<void> {
    const now = await this.databaseTime();
    // Before keys are forgotten: what is made in their place is not to be wrapped under a former master key.
    const fault = await this.master.refresh().catch((error: Error) => error);
    const { rows } = await this.pool.query<ChangedRow>({
      name: 'data-keys-changed',
      text: changedKeysSql,
      values: [this.seenThrough],
    });
    const { rows: erasures } = await this.pool.query<{ at: string | null }>({
      name: 'erased-at',
      text: erasedAtSql,
    });
    const { at } = erasures[0]!;
    const isDestroyed = this.known.forgetChanged(rows) || at !== this.erasedAt;
    this.erasedAt = at;
    if (isDestroyed) for (const observer of this.observers) observer();
    await this.lookAtLocked();
    // After that: keys are forgotten though a master key is missing.
    if (fault) throw fault;
    if (rows.some(({ practice_id }) => practice_id === null)) {
      this.ownKey = (await this.readOwn())!;
    }
    this.seenThrough = now;
  }

  private async databaseTime(): Promise<string> {
    const { rows } = await this.pool.query<{ now: string }>({ name: 'keys-now', text: nowSql });
    return rows[0]!.now;
  }
}

const erased = { lost: 'erased' } as const;
const unreadable = { lost: 'unreadable' } as const;
const locked: Locked = { lost: 'locked' };

function isLocked(opened: unknown): boolean {
  return opened === locked;
}
