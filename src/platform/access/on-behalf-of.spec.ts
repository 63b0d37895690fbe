import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Problem } from '../http/problem.js';
import { readOnBehalfOf } from './on-behalf-of.js';

describe('who is named as the human behind a call', () => {
  it('is nobody without the header', () => {
    expect(readOnBehalfOf(undefined)).toBeUndefined();
  });

  it('is read as it is written, other letters than ASCII percent-encoded', () => {
    expect(readOnBehalfOf('Dr. Ada Lovelace <ada@example.com>')).toBe(
      'Dr. Ada Lovelace <ada@example.com>',
    );
    expect(readOnBehalfOf(encodeURIComponent('Zoë Müller, 山田'))).toBe('Zoë Müller, 山田');
    expect(readOnBehalfOf(' front desk ')).toBe('front desk');
  });

  it.each([
    '',
    '   ',
    '%',
    '50% off',
    '%zz',
    '%C3',
    'M\u00fcller',
    'Ada%00',
    'Ada%0D%0Ax-injected: 1',
    'Ada%1B[31m',
    '%E2%80%AEadA',
    'A%E2%80%8Bda',
    'Ada%E2%80%A8Eve',
    'x'.repeat(201),
    '%F0%9F%A6%B7'.repeat(101),
  ])('is refused where it cannot be read, or reads otherwise than it is: %j', (header) => {
    expect(() => readOnBehalfOf(header)).toThrow(Problem);
  });

  it('never throws anything but a problem, and takes no line into a log', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (header) => {
        try {
          expect(readOnBehalfOf(header)).not.toMatch(/[\r\n\0]/);
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
        }
      }),
    );
  });
});
