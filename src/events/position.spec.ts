import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  comparePositions,
  formatPosition,
  logStart,
  lowest,
  parsePosition,
  type Position,
} from './position.js';

const position = fc.record({
  generation: fc.integer({ min: 0, max: 999_999_999 }),
  xactId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  seq: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String),
});

/** The order by its definition: three numbers, one after the other. */
function numerically(a: Position, b: Position): number {
  const difference =
    BigInt(a.generation - b.generation) ||
    BigInt(a.xactId) - BigInt(b.xactId) ||
    BigInt(a.seq) - BigInt(b.seq);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

describe('a position', () => {
  it('survives being written and read', () => {
    fc.assert(fc.property(position, (it) => expect(parsePosition(formatPosition(it))).toEqual(it)));
  });

  it('is ordered by generation, then transaction, then number', () => {
    fc.assert(
      fc.property(position, position, (a, b) => {
        expect(Math.sign(comparePositions(a, b))).toBe(numerically(a, b));
        expect(comparePositions(a, a)).toBe(0);
      }),
    );
  });

  it('compares beyond what a JavaScript number holds exactly', () => {
    const [a, b] = [
      parsePosition('1.18446744073709551614.1')!,
      parsePosition('1.18446744073709551615.0')!,
    ];
    expect(comparePositions(a, b)).toBeLessThan(0);
  });

  it('takes a typed cursor with leading zeros for the same place', () => {
    expect(comparePositions(parsePosition('1.007.0')!, parsePosition('1.7.000')!)).toBe(0);
    expect(comparePositions(parsePosition('1.0010.0')!, parsePosition('1.9.0')!)).toBeGreaterThan(
      0,
    );
  });

  it.each([
    '',
    '1.2',
    '1.2.3.4',
    '-1.2.3',
    '1.2.x',
    ' 1.2.3',
    '1.2.3\n',
    '1.18446744073709551616.0',
    '1.0.9223372036854775808',
    '1000000000.1.1',
  ])('is not %j', (text) => {
    expect(parsePosition(text)).toBeUndefined();
  });

  it('begins before every other', () => {
    fc.assert(fc.property(position, (it) => expect(lowest([it, logStart])).toEqual(logStart)));
  });
});
