import { describe, expect, it } from '@jest/globals';
import { Pace } from './pace.js';

describe('the pace of an endpoint', () => {
  it('spaces webhooks evenly at its rate', () => {
    const pace = new Pace(10, 100);
    const at: number[] = [];
    for (let now = 0; at.length < 5; now += 1) {
      if (pace.waitMs(now) > 0) continue;
      pace.started(now);
      at.push(now);
    }
    expect(at).toEqual([0, 95, 195, 295, 395]);
  });

  it('never lets a second hold more than the rate and the tolerance, also after a rest', () => {
    const pace = new Pace(100, 10_000);
    const at: number[] = [];
    for (let now = 5000; now < 8000; now += 0.5) {
      while (pace.waitMs(now) === 0) {
        pace.started(now);
        at.push(now);
      }
    }
    for (const from of at) {
      expect(at.filter((time) => time >= from && time < from + 1000).length).toBeLessThan(102);
    }
    expect(at.length).toBeGreaterThan(298);
  });

  it('has no limit but its window without a rate', () => {
    const pace = new Pace(null, 1000);
    for (let i = 0; i < 16; i += 1) pace.started(0);
    expect(pace.waitMs(0)).toBe(0);
    expect(pace.hasRoom(Infinity)).toBe(false);
  });

  it('widens its window with successes up to the limit, and halves it once for what was in flight together', () => {
    const pace = new Pace(null, 20);
    const room = () => {
      let free = 0;
      while (pace.hasRoom(Infinity)) {
        pace.started(0);
        free += 1;
      }
      for (let i = 0; i < free; i += 1) pace.ended();
      return free;
    };
    expect(room()).toBe(16);
    for (let i = 0; i < 50; i += 1) pace.grow();
    expect(room()).toBe(20);
    pace.halve(5, 10);
    pace.halve(6, 11);
    expect(room()).toBe(10);
    pace.halve(12, 13);
    expect(room()).toBe(5);
    for (let now = 20; now < 40; now += 2) pace.halve(now, now + 1);
    expect(room()).toBe(1);
  });

  it('keeps silent for as long as it was asked', () => {
    const pace = new Pace(null, 10);
    pace.silence(500, 100);
    pace.silence(100, 200);
    expect(pace.waitMs(200)).toBe(400);
    expect(pace.waitMs(600)).toBe(0);
  });

  it('takes a lower limit at once', () => {
    const pace = new Pace(null, 100);
    pace.limit(1, 2);
    pace.started(0);
    pace.started(0);
    expect(pace.hasRoom(Infinity)).toBe(false);
    expect(pace.waitMs(0)).toBeGreaterThan(1000);
  });
});
