import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { digestOf, hashAt, hashList, merkleRoot, putLeaf } from './merkle.rules.js';

/** Those of the reference implementation of Certificate Transparency, which RFC 6962 describes, whose leaves are text. */
const texts = ['', '\0', '\x10', ' !', '01', '@ABC', 'PQRSTUVW', '`abcdefghijklmno'];
const roots = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

function hashesOf(leaves: readonly string[]): Buffer {
  const hashes = hashList(leaves.length);
  leaves.forEach((leaf, i) => putLeaf(hashes, i, leaf));
  return hashes;
}

describe('a Merkle tree', () => {
  it('has the roots of RFC 6962', () => {
    expect(merkleRoot(hashList(0)).toString('hex')).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    roots.forEach((root, i) => {
      expect(merkleRoot(hashesOf(texts.slice(0, i + 1))).toString('hex')).toBe(root);
    });
  });

  it('is split at the largest power of two below its size, whatever that is', () => {
    const recursive = (hashes: readonly Buffer[]): Buffer => {
      if (hashes.length === 1) return hashes[0]!;
      const split = 2 ** Math.floor(Math.log2(hashes.length - 1));
      const halves = [recursive(hashes.slice(0, split)), recursive(hashes.slice(split))];
      return digestOf(Buffer.concat([Buffer.of(1), ...halves]));
    };
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 70 }),
        (leaves) => {
          const hashes = hashesOf(leaves);
          const apart = leaves.map((leaf, i) => {
            const hash = digestOf(Buffer.from(`\0${leaf}`));
            expect(hashAt(hashes, i)).toEqual(hash);
            return hash;
          });
          expect(merkleRoot(hashes)).toEqual(recursive(apart));
          expect(hashes).toEqual(Buffer.concat(apart));
        },
      ),
    );
  });
});
