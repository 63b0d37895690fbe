import type { DueDelivery } from './delivery.js';

/** Followers of one key that wait in memory; the rest wait in the table. */
const mostWaiting = 100;

type Ordered = DueDelivery & { orderKey: string };

/** Of one key: whose turn it is, and who waits behind it here. */
interface Turn {
  /** Its id; undefined while the table is looked through for the next one. */
  head?: string;
  behind: DueDelivery[];
}

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
  /** Keys that are taken: nobody else of them may go. */
  private readonly taken = new Map<string, Turn>();
  /** Keys of which this lane has put followers into the table. */
  private readonly parked = new Set<string>();

  /** @param isHeldUp the table holds an earlier one of the key: a retry that waits, or followers */
  admit(delivery: Ordered, isHeldUp: boolean): 'go' | 'wait' | 'park' {
    const key = delivery.orderKey;
    const turn = this.taken.get(key);
    if (isHeldUp || this.parked.has(key) || (turn && turn.behind.length >= mostWaiting)) {
      this.parked.add(key);
      return 'park';
    }
    if (turn) {
      turn.behind.push(delivery);
      return 'wait';
    }
    this.taken.set(key, { head: delivery.id, behind: [] });
    return 'go';
  }

  /** A retry goes first by right: all others of its key wait for it. */
  lead({ id, orderKey }: Ordered): void {
    const turn = this.taken.get(orderKey);
    if (!turn) this.taken.set(orderKey, { head: id, behind: [] });
    else turn.head ??= id;
  }

  settle(delivery: Ordered, willRetry: boolean): AfterSettling {
    const key = delivery.orderKey;
    const turn = this.taken.get(key);
    // Also where nobody is behind it: a page that was asked about the key before it failed must not let one go.
    if (willRetry) this.parked.add(key);
    // Another's turn: it goes on when that one settles.
    if (turn && turn.head !== delivery.id) return { park: [], forget: [], release: false };
    if (willRetry) return { ...this.holdUp(key), release: false };
    const next = turn?.behind.shift();
    if (next) {
      turn!.head = next.id;
      return { next, park: [], forget: [], release: false };
    }
    const release = delivery.from !== 'stream' || this.parked.has(key);
    // While the table is looked through the key stays taken, so that nothing overtakes what comes from there.
    if (!release) this.taken.delete(key);
    else if (turn) turn.head = undefined;
    return { park: [], forget: [], release };
  }

  /** The next of the key waits in the table and cannot go now: so do all that wait behind it here. */
  holdUp(key: string): Pick<AfterSettling, 'park' | 'forget'> {
    const behind = this.taken.get(key)?.behind ?? [];
    this.taken.delete(key);
    this.parked.add(key);
    const park = behind.filter(({ from }) => from !== 'follower');
    const forget = behind.filter(({ from }) => from === 'follower');
    return { park, forget };
  }

  /**
   * What the table held for a key that goes on. They take turns with those that were admitted while the table was asked,
   * in order of their numbers: of many that came at once the last ones went into the table. Where there is nobody the
   * key's taking turns ends. Nothing may come for a key that has a head.
   * @returns the one that goes now
   */
  released(key: string, followers: readonly DueDelivery[]): DueDelivery | undefined {
    const admitted = this.taken.get(key)?.behind ?? [];
    const [first, ...behind] = [...followers, ...admitted].sort((a, b) => a.sequence - b.sequence);
    if (followers.length === 0) this.parked.delete(key);
    if (first) this.taken.set(key, { head: first.id, behind });
    else this.taken.delete(key);
    return first;
  }

  /** Followers that wait in memory. */
  get size(): number {
    let size = 0;
    for (const { behind } of this.taken.values()) size += behind.length;
    return size;
  }

  takenKeys(): ReadonlySet<string> {
    return new Set(this.taken.keys());
  }

  isTaken(key: string): boolean {
    return this.taken.has(key);
  }

  /** One of the key is in the window or under way: no other may go, wherever it comes from. */
  hasHead(key: string): boolean {
    return this.taken.get(key)?.head !== undefined;
  }

  /**
   * Forgets who waits here, except whose turn it is.
   * @param underWay ids of what has been sent and is not settled
   * @returns those forgotten
   */
  clear(underWay: { has(id: string): boolean }): DueDelivery[] {
    const forgotten: DueDelivery[] = [];
    for (const [key, { head, behind }] of this.taken) {
      // What came out of the table is there still; the key has to be looked up again when its head settles.
      if (behind.some(({ from }) => from === 'follower')) this.parked.add(key);
      forgotten.push(...behind.splice(0));
      if (head === undefined || !underWay.has(head)) this.taken.delete(key);
    }
    return forgotten;
  }
}
