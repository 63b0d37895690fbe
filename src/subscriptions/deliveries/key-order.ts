import type { DueDelivery } from './delivery.js';

/** Followers of one key that wait in memory; the rest wait in the table. */
const mostWaiting = 100;

type Ordered = DueDelivery & { orderKey: string };

/** What follows from the settling of a delivery. */
export interface AfterSettling {
  /** The next of its key, to be sent now. */
  next?: DueDelivery;
  /** Followers that have to wait in the table, since their head waits for a retry. */
  park: DueDelivery[];
  /** Followers that have to wait in the table, and are in it still. */
  forget: DueDelivery[];
  /** The key's followers in the table are due: look there. */
  release: boolean;
}

/**
 * Which deliveries of an ordered endpoint may go: of each key one, the earliest. Others of the key wait behind it, a
 * few in memory and the rest in `delivery_followers`, never in the way of other keys. Once any of a key waits in the
 * table, all later ones do, until the table has been emptied. Pure.
 */
export class KeyOrder {
  /** Keys with a delivery in the window or under way, each with those that wait behind it here. */
  private readonly waiting = new Map<string, DueDelivery[]>();
  /** Keys of which this lane has put followers into the table. */
  private readonly parked = new Set<string>();

  /** @param isHeldUp the table holds an earlier one of the key: a retry that waits, or followers */
  admit(delivery: Ordered, isHeldUp: boolean): 'go' | 'wait' | 'park' {
    const key = delivery.orderKey;
    const behind = this.waiting.get(key);
    if (isHeldUp || this.parked.has(key) || (behind && behind.length >= mostWaiting)) {
      this.parked.add(key);
      return 'park';
    }
    if (behind) {
      behind.push(delivery);
      return 'wait';
    }
    this.waiting.set(key, []);
    return 'go';
  }

  /** A retry goes first by right: all others of its key wait for it. */
  lead(key: string): void {
    if (!this.waiting.has(key)) this.waiting.set(key, []);
  }

  settle(delivery: Ordered, willRetry: boolean): AfterSettling {
    const key = delivery.orderKey;
    const behind = this.waiting.get(key) ?? [];
    if (willRetry) {
      this.waiting.delete(key);
      const park = behind.filter(({ from }) => from !== 'follower');
      const forget = behind.filter(({ from }) => from === 'follower');
      // Also where nobody is behind it: a page that was asked about the key before it failed must not let one go.
      this.parked.add(key);
      return { park, forget, release: false };
    }
    const next = behind.shift();
    if (next) return { next, park: [], forget: [], release: false };
    const release = delivery.from !== 'stream' || this.parked.has(key);
    // While the table is looked through the key stays taken, so that nothing overtakes what comes from there.
    if (!release) this.waiting.delete(key);
    return { park: [], forget: [], release };
  }

  /**
   * What the table held for a key that goes on, in order; nothing ends the key's taking turns.
   * @returns the one that goes now
   */
  released(key: string, followers: readonly DueDelivery[]): DueDelivery | undefined {
    const [first, ...others] = followers;
    if (first) {
      this.waiting.set(key, others);
    } else {
      this.waiting.delete(key);
      this.parked.delete(key);
    }
    return first;
  }

  /** Followers that wait in memory. */
  get size(): number {
    let size = 0;
    for (const behind of this.waiting.values()) size += behind.length;
    return size;
  }

  takenKeys(): ReadonlySet<string> {
    return new Set(this.waiting.keys());
  }

  isTaken(key: string): boolean {
    return this.waiting.has(key);
  }

  /** Forgets who waits here, except behind the keys that are under way. @returns those forgotten */
  clear(underWay: ReadonlySet<string>): DueDelivery[] {
    const forgotten: DueDelivery[] = [];
    for (const [key, behind] of this.waiting) {
      // What came out of the table is there still; the key has to be looked up again when its head settles.
      if (behind.some(({ from }) => from === 'follower')) this.parked.add(key);
      forgotten.push(...behind.splice(0));
      if (!underWay.has(key)) this.waiting.delete(key);
    }
    return forgotten;
  }
}
