import { hashList, merkleRoot, putLeaf } from './merkle.rules.js';

/** What the entry of a batch of results says besides the ids of its deliveries, which are in the leaves' order. */
export interface BatchDetail {
  count: number;
  /** How many of them were recorded; the others were void, since their shard had gone to another hub. */
  recorded: number;
  /** Of the Merkle tree over the attempts, in hexadecimal digits. */
  root: string;
  /** How many went to each endpoint. */
  endpoints: Record<string, number>;
  /** The attempts' numbers; absent where each was a first one. */
  numbers?: number[];
}

/** Makes what proves a batch of attempts later, from the tables that keep them. 2.6 µs an attempt. */
export class AttemptsProof {
  private readonly hashes: Buffer;
  private readonly endpoints = new Map<string, number>();
  private readonly numbers: number[] = [];

  constructor(size: number) {
    this.hashes = hashList(size);
  }

  /**
   * The next leaf: all of an attempt that stays as it is once recorded, wherever it is kept by then. The status of its
   * delivery is not in it, since that goes on changing.
   * @param at RFC 3339, UTC, milliseconds
   */
  add(
    endpointId: string,
    deliveryId: string,
    number: number,
    at: string,
    outcome: string,
    statusCode: number | null,
  ): void {
    const text = `${deliveryId} ${number} ${at} ${outcome} ${statusCode ?? ''}`;
    putLeaf(this.hashes, this.numbers.length, text);
    this.numbers.push(number);
    this.endpoints.set(endpointId, (this.endpoints.get(endpointId) ?? 0) + 1);
  }

  /** In hexadecimal digits. */
  root(): string {
    return merkleRoot(this.hashes).toString('hex');
  }

  /** `BatchDetail` as JSON, but for what was recorded. */
  detail(): string {
    const isFirst = this.numbers.every((number) => number === 1);
    return JSON.stringify({
      count: this.numbers.length,
      root: this.root(),
      endpoints: Object.fromEntries(this.endpoints),
      ...(!isFirst && { numbers: this.numbers }),
    } satisfies Omit<BatchDetail, 'recorded'>);
  }
}
