import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DataKey } from './data-key.js';
import { OpeningThread } from './opening-thread.js';

const keys = new Map([1, 2].map((number) => [number, new DataKey(number, randomBytes(32))]));
const texts = ['{"givenName":"Ada"}', '{"note":"Prüfung – 歯科"}', '{}'];
const opened = texts.map((text) => Buffer.from(text));
const bindings = texts.map((_, i) => `event\n${i}`);
const sealed = texts.map((text, i) =>
  keys
    .get(1 + (i % 2))!
    .seal(text, bindings[i]!)
    .toString('base64'),
);

let thread: OpeningThread;
afterEach(() => thread.close());

function aThread(): { asked: number[] } {
  const asked: number[] = [];
  thread = new OpeningThread((number) => {
    asked.push(number);
    return keys.get(number);
  });
  return { asked };
}

describe('the thread that opens', () => {
  it('asks for each key it lacks once, and from then on opens what the hub has sealed', async () => {
    const { asked } = aThread();
    expect(await thread.open(sealed, bindings)).toEqual([null, null, null]);
    expect(await thread.open(sealed, bindings)).toEqual(opened);
    expect(asked.sort()).toEqual([1, 2]);
  });

  it('opens nothing that was changed, cut off, moved or erased, and all the rest', async () => {
    aThread();
    await thread.open(sealed, bindings);
    const changed = Buffer.from(sealed[0]!, 'base64');
    changed[20]! ^= 1;
    const odd = [changed.toString('base64'), sealed[0]!.slice(0, 40), '', 'AA==', sealed[1]!];
    const all = await thread.open([...odd, sealed[2]!], ['', '', '', '', '', bindings[2]!]);
    expect(all).toEqual([null, null, null, null, null, opened[2]]);
    expect(await thread.open([changed.toString('base64')], [bindings[0]!])).toEqual([null]);
  });

  it('forgets all keys when some were destroyed', async () => {
    const { asked } = aThread();
    await thread.open(sealed, bindings);
    thread.forget();
    expect(await thread.open(sealed, bindings)).toEqual([null, null, null]);
    expect(asked).toHaveLength(4);
  });

  it('leaves to the hub what it was asked for when it ends, and begins again', async () => {
    aThread();
    const opening = thread.open(sealed, bindings);
    await thread.close();
    const opened = await opening;
    expect(opened.every((text) => text === null)).toBe(true);
    expect(await thread.open(sealed, bindings)).toHaveLength(3);
  });
});
