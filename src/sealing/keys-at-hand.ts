import type { Logger } from '../platform/logger.js';
import { DataKey } from './data-key.js';
import { MasterKeyMissing, type MasterKeys } from './master-keys.js';

/** Keys in memory, of practices that write and of payloads that are read: some hundred bytes each. */
const mostKept = 20_000;

export interface KeyRow {
  number: number;
  practice_id: string | null;
  /** Null once the key is destroyed. */
  wrapped: Buffer | null;
  master_key_id: string | null;
}

/** A key that was retired or destroyed. */
export interface ChangedRow {
  number: number;
  practice_id: string | null;
  destroyed: boolean;
}

/** The data keys in use, unwrapped, and which of them cannot be for want of their master key. */
export class KeysAtHand {
  private readonly byNumber = new Map<number, DataKey | 'destroyed'>();
  private readonly active = new Map<string, DataKey>();
  /** Each with the id of the master key that would unwrap it: a number for each data key that was asked for. */
  private readonly locked = new Map<number, string>();
  /** Ids of master keys that it has said are missing. */
  private readonly missed = new Set<string>();

  constructor(
    private readonly master: MasterKeys,
    private readonly logger: Logger,
  ) {}

  get(number: number): DataKey | 'destroyed' | undefined {
    return this.byNumber.get(number);
  }

  /** The one that seals for a practice. */
  sealing(practiceId: string): DataKey | undefined {
    return this.active.get(practiceId);
  }

  /** As `sealing`, and spares it: those that a batch needs must be at hand together. */
  holdSealing(practiceId: string): boolean {
    return holdNewest(this.active, practiceId);
  }

  /** Whether it is at hand, or locked; spares it as `holdSealing` does. */
  holdOpening(number: number): boolean {
    return holdNewest(this.byNumber, number) || this.locked.has(number);
  }

  isLocked(number: number | undefined): boolean {
    return number !== undefined && this.locked.has(number);
  }

  get lockedNumbers(): number[] {
    return [...this.locked.keys()];
  }

  get lockedCount(): number {
    return this.locked.size;
  }

  /** What to throw where something is locked. */
  missing(): MasterKeyMissing {
    return this.master.lacking([...new Set(this.locked.values())]);
  }

  /** Of the row of a key that seals. @returns false where it is locked */
  takeSealing(row: KeyRow): boolean {
    const key = this.unwrapUnlessLocked(row);
    if (!key) return false;
    forgetOldest(this.active);
    this.active.set(row.practice_id!, key);
    return true;
  }

  /** A wrapped key that somebody has changed makes what is sealed under it unreadable, and stops no reader of more. */
  takeOpening(row: KeyRow): void {
    if (row.wrapped === null) return this.keep(row.number, 'destroyed');
    try {
      this.unwrapUnlessLocked(row);
    } catch (error) {
      this.locked.delete(row.number);
      this.logger.error({ err: error, dataKey: row.number }, 'a data key cannot be unwrapped');
    }
  }

  /** @throws MasterKeyMissing */
  unwrap({ number, practice_id, wrapped, master_key_id }: KeyRow): DataKey {
    const known = this.byNumber.get(number);
    if (known instanceof DataKey) return known;
    const secret = this.master.unwrap(wrapped!, master_key_id!, bindingOfKey(practice_id));
    const key = new DataKey(number, secret);
    this.keep(number, key);
    return key;
  }

  /** @returns whether one was destroyed that had not been before */
  forgetChanged(changed: readonly ChangedRow[]): boolean {
    let isNews = false;
    for (const { number, practice_id, destroyed } of changed) {
      if (practice_id === null) continue;
      if (this.active.get(practice_id)?.number === number) this.active.delete(practice_id);
      if (!destroyed || this.byNumber.get(number) === 'destroyed') continue;
      this.keep(number, 'destroyed');
      isNews = true;
    }
    return isNews;
  }

  /** To be called after it was looked at what is locked. */
  tellWhetherUnlocked(): void {
    if (this.missed.size === 0 || this.locked.size > 0) return;
    this.missed.clear();
    this.logger.info('no master key is missing any more: what waited for one is read again');
  }

  private unwrapUnlessLocked(row: KeyRow): DataKey | undefined {
    try {
      return this.unwrap(row);
    } catch (error) {
      if (!(error instanceof MasterKeyMissing)) throw error;
      this.lock(row.number, row.master_key_id!, error);
      return undefined;
    }
  }

  // Once, not for each page and each data key.
  private lock(number: number, masterKeyId: string, error: MasterKeyMissing): void {
    this.locked.set(number, masterKeyId);
    if (this.missed.has(masterKeyId)) return;
    this.missed.add(masterKeyId);
    this.logger.error({ err: error, masterKeyId }, 'what is sealed waits for a master key');
  }

  private keep(number: number, key: DataKey | 'destroyed'): void {
    forgetOldest(this.byNumber);
    this.byNumber.set(number, key);
    this.locked.delete(number);
  }
}

/** What a wrapped key belongs to: in the place of another practice's it does not open. */
export function bindingOfKey(practiceId: string | null): string {
  return `data-key\n${practiceId ?? ''}`;
}

/** Makes it the last one to be forgotten. @returns whether it is there */
function holdNewest<K, V>(kept: Map<K, V>, key: K): boolean {
  const value = kept.get(key);
  if (value === undefined) return false;
  // While all of them fit the order is of no consequence.
  if (kept.size < mostKept / 2) return true;
  kept.delete(key);
  kept.set(key, value);
  return true;
}

function forgetOldest(kept: Map<unknown, unknown>): void {
  if (kept.size < mostKept) return;
  const [oldest] = kept.keys();
  kept.delete(oldest);
}
