import type { Random } from './random.js';

/** How the receiver behaves towards every webhook. */
export const badMoods = ['absent', 'failing', 'slow', 'throttling', 'cutting'] as const;
export type BadMood = (typeof badMoods)[number];

export type Fault =
  | { kind: 'kill-hub'; hub: number; forMs: number }
  | { kind: 'freeze-hub'; hub: number; forMs: number }
  | { kind: 'broker'; signal: 'SIGKILL' | 'SIGTERM'; forMs: number }
  | { kind: 'database'; signal: 'SIGKILL' | 'SIGQUIT' | 'SIGINT'; forMs: number }
  | { kind: 'receiver'; mood: BadMood; forMs: number };

export interface PlannedFault {
  atMs: number;
  fault: Fault;
}

export interface PlanOptions {
  seconds: number;
  hubs: number;
  /** Whether there is a broker of our own to kill. */
  broker: boolean;
}

interface Kind {
  everySeconds: number;
  forMs: readonly [least: number, most: number];
  draw(random: Random, nth: number): DistributiveOmit<Fault, 'forMs'>;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** Nothing happens in the first and in the last second. */
const marginMs = 1000;

/**
 * What is to happen when, in order of time. Each kind has its share of the time cut into equal slots with one fault
 * at a random moment of each, so that every kind comes at least once and never overlaps itself; different kinds
 * overlap as they like. Pure: the same seed and options give the same plan.
 */
export function planFaults(random: Random, { seconds, hubs, broker }: PlanOptions): PlannedFault[] {
  const moods = random.shuffled(badMoods);
  const kinds: Kind[] = [
    {
      everySeconds: 8,
      forMs: [0, 2000],
      draw: (random) => ({ kind: 'kill-hub', hub: random.below(hubs) }),
    },
    {
      // Longer than a lease: what it does when it wakes up must not count.
      everySeconds: 25,
      forMs: [2500, 4500],
      draw: (random) => ({ kind: 'freeze-hub', hub: random.below(hubs) }),
    },
    {
      everySeconds: 20,
      forMs: [200, 3000],
      draw: (random) => ({
        kind: 'database',
        signal: random.pick(['SIGKILL', 'SIGQUIT', 'SIGINT'] as const),
      }),
    },
    {
      everySeconds: 6,
      forMs: [1000, 4000],
      draw: (_, nth) => ({ kind: 'receiver', mood: moods[nth % moods.length]! }),
    },
  ];
  if (broker) {
    kinds.push({
      everySeconds: 25,
      forMs: [500, 4000],
      draw: (random) => ({ kind: 'broker', signal: random.pick(['SIGKILL', 'SIGTERM'] as const) }),
    });
  }
  const usableMs = seconds * 1000 - 2 * marginMs;
  return kinds
    .flatMap(({ everySeconds, forMs: [least, most], draw }) => {
      const count = Math.max(1, Math.floor(seconds / everySeconds));
      const slotMs = usableMs / count;
      return Array.from({ length: count }, (_, nth) => {
        const forMs = Math.round(Math.min(random.between(least, most), 0.8 * slotMs));
        const atMs = Math.round(marginMs + nth * slotMs + random.between(0, slotMs - forMs));
        return { atMs, fault: { ...draw(random, nth), forMs } as Fault };
      });
    })
    .sort((a, b) => a.atMs - b.atMs);
}
