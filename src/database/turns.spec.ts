import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { isTransient } from './errors.js';
import { Turns } from './turns.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** Work that ends when it is told to. */
function stage(turns: Turns) {
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const start = (name: string, keys: string[]) =>
    turns.run(keys, () => {
      begun.push(name);
      return new Promise<string>((resolve, reject) =>
        ends.set(name, (error) => (error ? reject(error) : resolve(name))),
      );
    });
  return { begun, start, end: (name: string, error?: Error) => ends.get(name)!(error) };
}

// Everything that follows from promises alone.
const settle = () => jest.advanceTimersByTimeAsync(0);

describe('turns', () => {
  it('lets so many at a time through for a key, in the order of coming', async () => {
    const { begun, start, end } = stage(new Turns(2, 1000));
    const all = ['a', 'b', 'c', 'd'].map((name) => start(name, ['x']));
    const other = start('other', ['y']);
    await settle();
    expect(begun).toEqual(['a', 'b', 'other']);
    end('b');
    await settle();
    expect(begun).toEqual(['a', 'b', 'other', 'c']);
    end('a', new Error('failed'));
    await expect(all[0]).rejects.toThrow('failed');
    await settle();
    expect(begun).toEqual(['a', 'b', 'other', 'c', 'd']);
    for (const name of ['c', 'd', 'other']) end(name);
    expect(await Promise.all([all[1], all[2], all[3], other])).toEqual(['b', 'c', 'd', 'other']);
  });

  it('is one turn for a key that is named twice, and never makes two wait for each other', async () => {
    const { begun, start, end } = stage(new Turns(1, 1000));
    const first = start('first', ['x', 'y', 'x']);
    const second = start('second', ['y', 'x']);
    await settle();
    expect(begun).toEqual(['first']);
    end('first');
    await first;
    await settle();
    expect(begun).toEqual(['first', 'second']);
    end('second');
    expect(await second).toBe('second');
  });

  it('gives up after its time, and leaves the turns it had and the one it waited for', async () => {
    const { begun, start, end } = stage(new Turns(1, 1000));
    const holder = start('holder', ['y']);
    const late = start('late', ['x', 'y']).catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(500);
    const behind = start('behind', ['x']);
    await settle();
    expect(begun).toEqual(['holder']);
    await jest.advanceTimersByTimeAsync(500);
    expect(isTransient(await late)).toBe(true);
    end('holder');
    await holder;
    const next = start('next', ['y']);
    await settle();
    expect(begun).toEqual(['holder', 'behind', 'next']);
    end('behind');
    end('next');
    expect(await Promise.all([behind, next])).toEqual(['behind', 'next']);
  });
});
