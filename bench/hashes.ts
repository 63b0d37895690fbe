// `npx tsx bench/hashes.ts`: what a SHA-256 of a leaf costs by the ways Node has of it (src/audit/merkle.rules.ts), in
// µs of processor time.
import { createHash, hash } from 'node:crypto';
import { digestBytes, hashList, putLeaf } from '../src/audit/merkle.rules.js';
import { microsecondsOf, tell } from './timed.js';

const calls = 100_000;
// As long as what a delivery is hashed as.
const leaf = `\0${'0123456789abcdef'.repeat(10)}`;
const list = hashList(1024);
const hex = hash('sha256', leaf, 'hex');
const placeOf = (n: number) => (n % 1024) * digestBytes;

tell(
  'one-shot, as hexadecimal text',
  microsecondsOf(calls, () => hash('sha256', leaf, 'hex')),
);
tell(
  'writing that text into its place',
  microsecondsOf(calls, (n) => list.write(hex, placeOf(n), 'hex')),
);
tell(
  'one-shot, as a buffer',
  microsecondsOf(calls, () => hash('sha256', leaf, 'buffer')),
);
tell(
  'createHash, as a buffer',
  microsecondsOf(calls, () => createHash('sha256').update(leaf).digest()),
);
tell(
  'putLeaf, which the hub calls',
  microsecondsOf(calls, (n) => putLeaf(list, n % 1024, leaf)),
);
