import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { keyOf, partitionOf } from './partition-of.js';

describe('the partition of a key', () => {
  it('is that of the Kafka clients for any key and count', () => {
    const partitioner = Partitioners.DefaultPartitioner();
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.integer({ min: 1, max: 100 }),
        (key, count) => {
          const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
            partitionErrorCode: 0,
            partitionId,
            leader: 0,
            replicas: [],
            isr: [],
          }));
          const message = { key, value: null };
          expect(partitionOf(key, count)).toBe(
            partitioner({ topic: 't', partitionMetadata, message }),
          );
        },
      ),
    );
  });

  // Of the hashes that Apache Kafka's own UtilsTest lists.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('agrees with the Java client about %s', (key, hash) => {
    expect(partitionOf(key, 2 ** 31 - 1)).toBe((hash & 0x7fffffff) % (2 ** 31 - 1));
  });
});

describe('the key of an event', () => {
  it('is its practice, else its subject', () => {
    expect(keyOf({ practiceId: 'p', subject: 'patients/1' })).toBe('p');
    expect(keyOf({ practiceId: null, subject: 'partners/1' })).toBe('partners/1');
  });
});
