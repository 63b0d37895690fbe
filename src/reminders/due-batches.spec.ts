import { describe, expect, it } from '@jest/globals';
import { runsOf, type Due } from './due-batches.js';

/** `count` reminders of each practice, taking turns. */
function due(counts: Record<string, number>): Due[] {
  const most = Math.max(...Object.values(counts));
  return Array.from({ length: most }, (_, i) =>
    Object.keys(counts)
      .filter((practiceId) => i < counts[practiceId]!)
      .map((practiceId) => ({ id: `${practiceId}${i}`, practiceId, appointmentId: `a${i}` })),
  ).flat();
}

const shapeOf = (runs: Due[][][]) =>
  runs.map((run) =>
    run.map((batch) => [...new Set(batch.map((one) => one.practiceId))].join('') + batch.length),
  );

describe('runs of batches', () => {
  it('lock few practices at a time and each but once', () => {
    expect(shapeOf(runsOf(due({ a: 2, b: 2, c: 1, d: 3, e: 1 }), 4))).toEqual([
      ['ab4'],
      ['cd4'],
      ['e1'],
    ]);
  });

  it('divide what is too much of one practice, one piece after the other', () => {
    expect(shapeOf(runsOf(due({ a: 1, b: 9, c: 1 }), 4))).toEqual([
      ['a1'],
      ['b4', 'b4', 'b1'],
      ['c1'],
    ]);
  });

  it('hold all there is, of each practice in the order given', () => {
    const all = due({ a: 7, b: 3, c: 12, d: 1 });
    const held = runsOf(all, 5).flat(2);
    for (const practiceId of ['a', 'b', 'c', 'd']) {
      const ofOne = (list: Due[]) => list.filter((one) => one.practiceId === practiceId);
      expect(ofOne(held)).toEqual(ofOne(all));
    }
    expect(held).toHaveLength(all.length);
    expect(runsOf([], 5)).toEqual([]);
  });
});
