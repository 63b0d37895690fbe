import { expect, it } from '@jest/globals';
import { summaryOf } from './summary.js';

it('says of one of a thing what it says of many, in the singular', () => {
  const rest = { unsealed: 0, unreadableHeads: 0 };
  const all = (count: number) => ({
    entries: count,
    blocks: count,
    writers: count,
    attempts: count,
    heads: count,
    ...rest,
  });
  expect(summaryOf(all(1))).toBe('1 entry in 1 block of 1 writer, 1 attempt of deliveries, 1 head');
  expect(summaryOf(all(2))).toBe(
    '2 entries in 2 blocks of 2 writers, 2 attempts of deliveries, 2 heads',
  );
});
