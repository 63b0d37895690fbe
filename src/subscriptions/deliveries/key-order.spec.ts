import { describe, expect, it } from '@jest/globals';
import type { DueDelivery } from './delivery.js';
import { KeyOrder } from './key-order.js';

type Ordered = DueDelivery & { orderKey: string };

function due(id: string, orderKey: string, from: DueDelivery['from'] = 'stream'): Ordered {
  return { id, from, sequence: Number(id), attempts: 0, orderKey } as Ordered;
}

describe('the order of keys', () => {
  it('lets one of each key go and the others wait behind it', () => {
    const order = new KeyOrder();
    const [first, second, other] = [due('1', 'a'), due('2', 'a'), due('3', 'b')];
    expect([first, second, other].map((it) => order.admit(it, false))).toEqual([
      'go',
      'wait',
      'go',
    ]);
    expect(order.settle(first, false)).toEqual({
      next: second,
      park: [],
      forget: [],
      release: false,
    });
    expect(order.settle(second, false)).toEqual({ park: [], forget: [], release: false });
    expect(order.isTaken('a')).toBe(false);
    expect(order.admit(due('4', 'a'), false)).toBe('go');
  });

  it('puts followers aside when their head has to wait, and all that come after them', () => {
    const order = new KeyOrder();
    const [head, follower] = [due('1', 'a'), due('2', 'a')];
    order.admit(head, false);
    order.admit(follower, false);
    expect(order.settle(head, true)).toEqual({ park: [follower], forget: [], release: false });
    // Even before the table has been asked.
    expect(order.admit(due('3', 'a'), false)).toBe('park');
    expect(order.admit(due('4', 'b'), false)).toBe('go');
  });

  it('goes on with the table once the head is through, and lets nothing overtake meanwhile', () => {
    const order = new KeyOrder();
    const head = due('1', 'a', 'retry');
    order.lead(head);
    expect(order.admit(due('3', 'a'), true)).toBe('park');
    expect(order.settle(head, false)).toEqual({ park: [], forget: [], release: true });
    expect(order.admit(due('4', 'a'), false)).toBe('park');
    const [two, three] = [due('2', 'a', 'follower'), due('3', 'a', 'follower')];
    expect(order.released('a', [two, three])).toBe(two);
    expect(order.settle(two, false).next).toBe(three);
    expect(order.settle(three, false).release).toBe(true);
    expect(order.released('a', [])).toBeUndefined();
    expect(order.admit(due('5', 'a'), false)).toBe('go');
  });

  it('does not put aside again what is in the table still', () => {
    const order = new KeyOrder();
    const [two, three] = [due('2', 'a', 'follower'), due('3', 'a', 'follower')];
    order.released('a', [two, three]);
    expect(order.settle(two, true)).toEqual({ park: [], forget: [three], release: false });
    expect(order.admit(due('4', 'a'), false)).toBe('park');
  });

  it('keeps whoever is admitted while the table is looked through, behind what comes from there', () => {
    for (const fromTable of [[], [due('2', 'a', 'follower')]]) {
      const order = new KeyOrder();
      const [head, late, later] = [due('1', 'a', 'retry'), due('3', 'a'), due('4', 'a')];
      order.lead(head);
      expect(order.settle(head, false).release).toBe(true);
      expect(order.admit(late, false)).toBe('wait');
      const all = [...fromTable, late];
      expect(order.released('a', fromTable)).toBe(all[0]);
      expect(order.admit(later, false)).toBe('wait');
      const sent: DueDelivery[] = [all[0]!];
      for (let next; (next = order.settle(sent.at(-1) as Ordered, false).next);) sent.push(next);
      expect(sent).toEqual([...all, later]);
    }
  });

  it('keeps to their numbers where so many come at once that the last ones go into the table', () => {
    const order = new KeyOrder();
    const head = due('1', 'a', 'retry');
    order.lead(head);
    order.settle(head, false);
    const page = Array.from({ length: 150 }, (_, i) => due(`${i + 2}`, 'a'));
    const parked = page.filter((it) => order.admit(it, false) === 'park');
    expect(parked[0]).toBe(page[100]);
    const fromTable = parked.slice(0, 10).map((it): Ordered => ({ ...it, from: 'follower' }));
    const sent: DueDelivery[] = [order.released('a', fromTable)!];
    for (let next; (next = order.settle(sent.at(-1) as Ordered, false).next);) sent.push(next);
    expect(sent.map(({ sequence }) => sequence)).toEqual(
      page.slice(0, 110).map(({ sequence }) => sequence),
    );
  });

  it('lets a key go on when its head settles, and by nobody else', () => {
    const order = new KeyOrder();
    const [head, follower] = [due('2', 'a'), due('3', 'a')];
    order.admit(head, false);
    order.admit(follower, false);
    expect(order.settle(due('1', 'a', 'follower'), false)).toEqual({
      park: [],
      forget: [],
      release: false,
    });
    expect(order.settle(head, false).next).toBe(follower);
  });

  it('keeps few behind one key in memory', () => {
    const order = new KeyOrder();
    const verdicts = Array.from({ length: 200 }, (_, i) => order.admit(due(`${i}`, 'a'), false));
    expect(verdicts.filter((verdict) => verdict === 'wait')).toHaveLength(100);
    expect(verdicts.lastIndexOf('wait')).toBe(100);
    expect(order.size).toBe(100);
  });

  it('forgets who waits, but not whose turn it is', () => {
    const order = new KeyOrder();
    const [head, follower] = [due('1', 'a'), due('2', 'a')];
    for (const it of [head, follower, due('3', 'b')]) order.admit(it, false);
    expect(order.clear(new Set(['1']))).toEqual([follower]);
    expect(order.isTaken('a')).toBe(true);
    expect(order.isTaken('b')).toBe(false);
  });
});
