import { describe, expect, it } from '@jest/globals';
import { CircuitBreaker } from './circuit-breaker.js';

const limits = { threshold: 3, firstPauseMs: 100, longestPauseMs: 350 };

function breaker(stored = { probesFailed: 0 }, now = 0): CircuitBreaker {
  return new CircuitBreaker(limits, stored, now);
}

function opened(): CircuitBreaker {
  const circuit = breaker();
  expect([0, 0, 0].map((now) => circuit.failed(false, now))).toEqual([false, false, true]);
  return circuit;
}

describe('a circuit breaker', () => {
  it('opens after failures in a row, not after as many with a success between', () => {
    const circuit = breaker();
    circuit.failed(false, 0);
    circuit.failed(false, 0);
    expect(circuit.succeeded()).toBe(false);
    circuit.failed(false, 0);
    expect(circuit.failed(false, 0)).toBe(false);
    expect(circuit.isOpen).toBe(false);
    expect(circuit.failed(false, 0)).toBe(true);
    expect(circuit.isOpen).toBe(true);
  });

  it('lets one delivery try after the pause, and nothing beside it', () => {
    const circuit = opened();
    expect(circuit.waitMs(40)).toBe(60);
    expect(circuit.waitMs(100)).toBe(0);
    expect(circuit.started()).toBe(true);
    expect(circuit.waitMs(1000)).toBe(Infinity);
  });

  it('lets another one try after the probe that is under way, where somebody asks meanwhile', () => {
    const circuit = opened();
    circuit.probeNow(40);
    circuit.started();
    expect(circuit.probeNow(50)).toBe(false);
    circuit.failed(true, 60);
    expect(circuit.waitMs(60)).toBe(0);
    circuit.started();
    circuit.failed(true, 70);
    expect(circuit.waitMs(70)).toBeGreaterThan(100);
  });

  it('lets one try at once where somebody asks, and pauses longer if that fails', () => {
    const circuit = opened();
    expect(circuit.probeNow(40)).toBe(true);
    expect(circuit.waitMs(40)).toBe(0);
    expect(circuit.started()).toBe(true);
    circuit.failed(true, 50);
    expect(circuit.waitMs(50)).toBe(200);
    expect(breaker().probeNow(0)).toBe(false);
  });

  it('pauses twice as long after each probe that fails, up to the longest pause', () => {
    const circuit = opened();
    const pauses = [100, 1000, 2000, 3000].map((now) => {
      circuit.started();
      expect(circuit.failed(true, now)).toBe(false);
      return circuit.waitMs(now);
    });
    expect(pauses).toEqual([200, 350, 350, 350]);
    expect(circuit.probesFailed).toBe(4);
  });

  it('closes with a success and begins anew with short pauses', () => {
    const circuit = opened();
    circuit.started();
    circuit.failed(true, 100);
    circuit.started();
    expect(circuit.succeeded()).toBe(true);
    expect(circuit.waitMs(100)).toBe(0);
    for (const now of [200, 200, 200]) circuit.failed(false, now);
    expect(circuit.waitMs(200)).toBe(100);
  });

  it('learns nothing from what was sent before it opened, except that it lives', () => {
    const circuit = opened();
    circuit.failed(false, 90);
    expect(circuit.waitMs(90)).toBe(10);
    expect(circuit.succeeded()).toBe(true);
    expect(circuit.isOpen).toBe(false);
  });

  it('gives the probe to another where the first one said nothing', () => {
    const circuit = opened();
    circuit.started();
    circuit.undecided(true);
    expect(circuit.waitMs(100)).toBe(0);
  });

  it('goes on where its former owner was', () => {
    const circuit = new CircuitBreaker(limits, { openForMs: 30, probesFailed: 1 }, 1000);
    expect(circuit.waitMs(1010)).toBe(20);
    circuit.started();
    circuit.failed(true, 1030);
    expect(circuit.waitMs(1030)).toBe(350);
  });
});
