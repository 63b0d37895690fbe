import { expect, it } from '@jest/globals';
import { Thinning } from './thinning.js';

it('lets so many of a kind through in a minute, and tells later how many more there were', () => {
  const thinning = new Thinning(2);
  const admitted = [0, 1000, 2000, 59_999, 60_000, 61_000, 62_000].map((ms) =>
    thinning.admit('a', ms),
  );
  expect(admitted).toEqual([0, 0, undefined, undefined, 2, 0, undefined]);
  expect(thinning.admit('b', 2000)).toBe(0);
});
