import { randomBytes } from 'node:crypto';
import type { EnginePool } from '../database/engine-pool.js';
import type { Signals } from '../database/signals.js';
import type { Logger } from '../platform/logger.js';
import { DataKey, isErased, keyNumberOf, SealBroken } from './data-key.js';
import { MasterKeyMissing, type MasterKeys } from './master-keys.js';
import {
  activeKeysSql,
  changedKeysSql,
  erasedAtSql,
  keysByNumberSql,
  makeKeysSql,
  nowSql,
  ownKeysSql,
} from './sql/data-keys.js';

/** Keys in memory, of practices that write and of payloads that are read: some hundred bytes each. */
const mostKept = 20_000;
/** How long a hub may go on with a key that was destroyed, where the signal is lost. */
const pollMs = 3000;

interface KeyRow {
  number: number;
  practice_id: string | null;
  /** Null once the key is destroyed. */
  wrapped: Buffer | null;
  master_key_id: string | null;
}

/** A key that was retired or destroyed. */
interface ChangedRow {
  number: number;
  practice_id: string | null;
  destroyed: boolean;
}

/** Why something sealed is not there any more, or never will be. */
export type Lost = 'erased' | 'unreadable';

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
  private readonly byNumber = new Map<number, DataKey | 'destroyed'>();
  private readonly active = new Map<string, DataKey>();
  private readonly observers = new Set<() => void>();
  private ownKey?: DataKey;
  /** By the database's clock: what was retired or destroyed before is known. */
  private seenThrough = '';
  private erasedAt: string | null = null;
  private timer?: NodeJS.Timeout;
  private silence?: () => void;
  private following: Promise<void> = Promise.resolve();

  constructor(
    private readonly pool: EnginePool,
    readonly master: MasterKeys,
    private readonly signals: Signals,
    private readonly logger: Logger,
  ) {}

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
    return practiceId === null ? this.ownKey : this.active.get(practiceId);
  }

  /**
   * Brings the keys of practices to hand, and makes those that there are not: read and made all together, however
   * many. Undefined where nothing has to be waited for, which is nearly always.
   *
   * A key is made in a transaction of its own, before that of its first payload: what was rolled back must not have
   * left a payload under a key that nobody has. So there may be keys of practices that were never made.
   */
  prepare(practiceIds: readonly (string | null)[]): Promise<void> | undefined {
    const wanted = practiceIds.filter((id) => id !== null);
    return wanted.every((id) => this.active.has(id)) ? undefined : this.bring([...new Set(wanted)]);
  }

  /**
   * Opens what is sealed, under whatever keys; those that are not at hand are read together.
   * @returns the texts in the same order; why not, where one cannot be opened.
   * @throws MasterKeyMissing, or what the database throws: then it says nothing about what is sealed.
   */
  async open(all: readonly Sealed[]): Promise<(string | { lost: Lost })[]> {
    await this.have(all);
    return all.map((each) => this.openNow(each));
  }

  /** Brings to hand what `openNow` needs. */
  have(all: readonly Pick<Sealed, 'sealed'>[]): Promise<void> | undefined {
    const missing = new Set<number>();
    for (const { sealed } of all) {
      const number = keyNumberOf(sealed);
      if (number !== undefined && !this.byNumber.has(number)) missing.add(number);
    }
    return missing.size === 0 ? undefined : this.read([...missing]);
  }

  /** A key that is at hand, by its number. */
  atHand(number: number): DataKey | undefined {
    const key = this.byNumber.get(number);
    return key instanceof DataKey ? key : undefined;
  }

  /** Opens with a key at hand, see `have`. */
  openNow({ sealed, binding }: Sealed): string | { lost: Lost } {
    if (isErased(sealed)) return erased;
    const number = keyNumberOf(sealed);
    const key = number === undefined ? undefined : this.byNumber.get(number);
    if (key === 'destroyed') return erased;
    if (key === undefined) return unreadable;
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
    const lacking = () => practiceIds.filter((id) => !this.active.has(id));
    let missing = lacking();
    // Where somebody else makes them at the same moment, they are there at the second look.
    for (let turn = 0; turn < 3 && missing.length > 0; turn += 1) {
      if (turn > 0) await this.make(missing);
      const { rows } = await this.pool.query<KeyRow>({
        name: 'data-keys-active',
        text: activeKeysSql,
        values: [missing],
      });
      for (const row of rows) this.keepActive(row.practice_id!, this.unwrap(row));
      missing = lacking();
    }
    if (missing.length > 0) throw new Error('The data keys of practices could not be made');
  }

  private async make(practiceIds: readonly (string | null)[]): Promise<void> {
    const made = practiceIds.map((id) => this.master.wrap(randomBytes(32), bindingOfKey(id)));
    const values = [practiceIds, made.map(({ wrapped }) => wrapped), this.master.firstId];
    await this.pool.query(makeKeysSql, values);
  }

  private async readOwn(): Promise<DataKey | undefined> {
    const { rows } = await this.pool.query<KeyRow>(ownKeysSql);
    const [own] = rows.map((row) => this.unwrap(row));
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
    for (const row of rows) {
      if (row.wrapped === null) this.keepNumber(row.number, 'destroyed');
      else this.unwrapReading(row);
    }
  }

  /** A wrapped key that somebody has changed makes what is sealed under it unreadable, and stops no reader of more. */
  private unwrapReading(row: KeyRow): void {
    try {
      this.unwrap(row);
    } catch (error) {
      if (error instanceof MasterKeyMissing) throw error;
      this.logger.error({ err: error, dataKey: row.number }, 'a data key cannot be unwrapped');
    }
  }

  private unwrap({ number, practice_id, wrapped, master_key_id }: KeyRow): DataKey {
    const known = this.byNumber.get(number);
    if (known instanceof DataKey) return known;
    const secret = this.master.unwrap(wrapped!, master_key_id!, bindingOfKey(practice_id));
    const key = new DataKey(number, secret);
    this.keepNumber(number, key);
    return key;
  }

  private keepNumber(number: number, key: DataKey | 'destroyed'): void {
    forgetOldest(this.byNumber);
    this.byNumber.set(number, key);
  }

  private keepActive(practiceId: string, key: DataKey): void {
    forgetOldest(this.active);
    this.active.set(practiceId, key);
  }

  private followSoon(): void {
    this.following = this.following.then(() =>
      this.follow().catch((error: unknown) =>
        this.logger.warn({ err: error }, 'keys were not looked at, trying again'),
      ),
    );
  }

  /** Forgets keys that were destroyed, and no longer seals with those that were retired. */
  private async follow(): Promise<void> {
    const now = await this.databaseTime();
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
    const isDestroyed = this.forgetChanged(rows) || at !== this.erasedAt;
    this.erasedAt = at;
    if (isDestroyed) for (const observer of this.observers) observer();
    // After that, since these fail where a master key is missing: keys are forgotten nevertheless.
    await this.master.refresh();
    if (rows.some(({ practice_id }) => practice_id === null)) {
      this.ownKey = (await this.readOwn())!;
    }
    this.seenThrough = now;
  }

  /** @returns whether one was destroyed that had not been before */
  private forgetChanged(changed: readonly ChangedRow[]): boolean {
    let isNews = false;
    for (const { number, practice_id, destroyed } of changed) {
      if (practice_id === null) continue;
      if (this.active.get(practice_id)?.number === number) this.active.delete(practice_id);
      if (!destroyed || this.byNumber.get(number) === 'destroyed') continue;
      this.keepNumber(number, 'destroyed');
      isNews = true;
    }
    return isNews;
  }

  private async databaseTime(): Promise<string> {
    const { rows } = await this.pool.query<{ now: string }>({ name: 'keys-now', text: nowSql });
    return rows[0]!.now;
  }
}

const erased = { lost: 'erased' } as const;
const unreadable = { lost: 'unreadable' } as const;

/** What a wrapped key belongs to: in the place of another practice's it does not open. */
export function bindingOfKey(practiceId: string | null): string {
  return `data-key\n${practiceId ?? ''}`;
}

function forgetOldest(kept: Map<unknown, unknown>): void {
  if (kept.size < mostKept) return;
  const [oldest] = kept.keys();
  kept.delete(oldest);
}
