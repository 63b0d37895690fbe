import { blockHash, chainBeginning, type Block } from '../block.js';
import { merkleRoot } from '../merkle.rules.js';
import { broken } from './fault.js';

export interface Link {
  number: number;
  hash: Buffer;
}

/** What retention has dropped: everything that was sealed before, and where the chains stood that go on. */
export interface Dropped {
  before: Date;
  anchors: Map<string, Link>;
}

/** Follows every writer's chain, block by block in whatever order the chains come. Remembers one link of each. */
export class ChainWalk {
  private readonly last = new Map<string, Link>();

  /**
   * @param dropped undefined where retention has dropped nothing
   * @param find the hash of a block in the table
   */
  constructor(
    private readonly dropped: Dropped | undefined,
    private readonly find: (writer: string, number: number) => Promise<Buffer | undefined>,
  ) {}

  get writers(): number {
    return this.last.size;
  }

  /** @throws TrailBroken where the block does not follow on the one before, or is not what its hash says. */
  async follow(block: Block & { hash: Buffer }): Promise<void> {
    const { writer, number, previous, digests, root, hash } = block;
    const which = `${writer} ${number}`;
    const before = this.last.get(writer) ?? (await this.begin(block));
    if (number !== before.number + 1) {
      const missing = `${writer} ${before.number + 1}`;
      throw broken('block', missing, `it is missing; the chain goes on with number ${number}`);
    }
    if (!previous.equals(before.hash)) {
      throw broken('block', which, 'it does not follow on the block before it');
    }
    if (!blockHash(block).equals(hash)) throw broken('block', which, 'it was changed');
    if (!merkleRoot(digests).equals(root)) {
      throw broken(
        'block',
        which,
        'the hashes of its entries were changed or put in another order',
      );
    }
    this.last.set(writer, { number, hash });
  }

  /** What the first block of a writer that is looked at has to follow on. */
  private async begin({ writer, number }: Block): Promise<Link> {
    if (number === 1) return { number: 0, hash: chainBeginning(writer) };
    const hash = await this.find(writer, number - 1);
    if (hash) return { number: number - 1, hash };
    return this.dropped?.anchors.get(writer) ?? { number: 0, hash: chainBeginning(writer) };
  }
}
