import { hash } from 'node:crypto';

/*
 * Merkle trees as RFC 6962, section 2.1 (the same in RFC 9162), with SHA-256: a leaf is hashed behind a zero byte and a
 * node behind a one, so that neither can be passed off as the other. A tree is split at the largest power of two below
 * its size.
 *
 * Every webhook is a leaf, so this is measured. Hashes lie one behind the other in one buffer, and come from the
 * one-shot `hash` as hexadecimal text: 1.0 µs each and 0.1 to write it there; 2.3 µs as a buffer, 3.2 by `createHash`
 * (`npx tsx bench/hashes.ts`).
 */

export const digestBytes = 32;

export function digestOf(data: string | Buffer): Buffer {
  return Buffer.from(hash('sha256', data, 'hex'), 'hex');
}

/** Room for the hashes of so many leaves. */
export function hashList(leaves: number): Buffer {
  return Buffer.alloc(leaves * digestBytes);
}

/** Puts the hash of a leaf in its place among others. Its content is taken as UTF-8. */
export function putLeaf(hashes: Buffer, index: number, content: string): void {
  hashes.write(hash('sha256', `\0${content}`, 'hex'), index * digestBytes, 'hex');
}

/** @returns the hash in its place, as it lies there */
export function hashAt(hashes: Buffer, index: number): Buffer {
  return hashes.subarray(index * digestBytes, (index + 1) * digestBytes);
}

/** The root of the tree over hashes of leaves; without leaves the hash of nothing. */
export function merkleRoot(hashes: Buffer): Buffer {
  if (hashes.length === 0) return digestOf('');
  const level = Buffer.from(hashes);
  const pair = Buffer.alloc(1 + 2 * digestBytes, 1);
  // Level by level from below, each in the place of the one before; a node without a neighbour goes up as it is, which
  // makes the split of the RFC.
  for (let count = hashes.length / digestBytes; count > 1; count = Math.ceil(count / 2)) {
    for (let i = 0; i + 1 < count; i += 2) {
      level.copy(pair, 1, i * digestBytes, (i + 2) * digestBytes);
      level.write(hash('sha256', pair, 'hex'), (i / 2) * digestBytes, 'hex');
    }
    if (count % 2 === 1) hashAt(level, count - 1).copy(level, ((count - 1) / 2) * digestBytes);
  }
  return Buffer.from(hashAt(level, 0));
}
