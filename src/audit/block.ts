import { canonicalText } from './audit-entry.js';
import { digestOf } from './merkle.rules.js';

/** A link of a writer's chain: some entries, held together by a Merkle tree, and the hash of the block before. */
export interface Block {
  writer: string;
  /** From 1, without gaps. */
  number: number;
  sealedAt: Date;
  previous: Buffer;
  root: Buffer;
  /** Of the entries. */
  ids: string[];
  /** Their hashes one behind the other, in the same order. */
  digests: Buffer;
  /** The writer that sealed it in place of its own, which had died. */
  adoptedBy: string | null;
}

export interface BlockRow {
  writer: string;
  number: string;
  sealed_at: Date;
  previous: Buffer;
  root: Buffer;
  ids: string[];
  digests: Buffer;
  adopted_by: string | null;
  hash: Buffer;
}

export const blockColumns = `writer, number, sealed_at, previous, root, ids, digests, adopted_by, hash`;

export function blockFromRow(row: BlockRow): Block & { hash: Buffer } {
  return {
    writer: row.writer,
    number: Number(row.number),
    sealedAt: row.sealed_at,
    previous: row.previous,
    root: row.root,
    ids: row.ids,
    digests: row.digests,
    adoptedBy: row.adopted_by,
    hash: row.hash,
  };
}

/** What stands for the block before the first one of a writer. */
export function chainBeginning(writer: string): Buffer {
  return digestOf(writer);
}

/** The hash that the next block, and a signed head, names. The entries are in it by the root. */
export function blockHash(
  block: Omit<Block, 'ids' | 'digests'> & { ids: { length: number } },
): Buffer {
  const { writer, number, sealedAt, previous, root, ids, adoptedBy } = block;
  return digestOf(
    canonicalText({
      adoptedBy,
      count: ids.length,
      number,
      previous: previous.toString('hex'),
      root: root.toString('hex'),
      sealedAt: sealedAt.toISOString(),
      writer,
    }),
  );
}
