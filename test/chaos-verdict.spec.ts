import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  evaluate,
  nameOf,
  type Arrival,
  type LoggedEvent,
  type Observations,
  type Stream,
} from '../chaos/evaluate.js';
import { badMoods, planFaults, type Fault } from '../chaos/plan.js';
import { Random } from '../chaos/random.js';
import { holds, reportOf, type Outcome } from '../chaos/report.js';
import { longestStall } from '../chaos/stall.js';

/** Charges of two accounts in each of two practices, in turn. */
const log: LoggedEvent[] = Array.from({ length: 16 }, (_, nth) => ({
  id: `event-${nth}`,
  type: 'charge.posted',
  subject: `accounts/${nth % 4}`,
  subjectVersion: 1 + Math.floor(nth / 4),
  practiceId: `practice-${nth % 2}`,
  position: `1.${700 + nth}.${nth}`,
  timeMs: 100 * nth,
}));

function arrivalOf(event: LoggedEvent, endpointId: string, more: Partial<Arrival> = {}): Arrival {
  const sequence = 1 + log.indexOf(event);
  const atMs = event.timeMs + 5;
  return {
    eventId: event.id,
    endpointId,
    sequence,
    atMs,
    acceptedAtMs: atMs,
    verified: true,
    ...more,
  };
}

/** A stream as it should be, to be spoilt by the tests. */
function aStream(ordering: Stream['ordering']): Stream & { arrivals: Arrival[] } {
  return {
    id: `endpoint-${ordering}`,
    name: ordering,
    ordering,
    lastSequence: log.length,
    wants: () => true,
    arrivals: log.map((event) => arrivalOf(event, `endpoint-${ordering}`)),
  };
}

function observe(stream: Stream, more: Partial<Observations> = {}): Observations {
  const expected = new Map<string, number>();
  for (const event of log) expected.set(nameOf(event), (expected.get(nameOf(event)) ?? 0) + 1);
  return { expected, log, feed: log.map(({ id }) => id), streams: [stream], ...more };
}

/** The verdict on one stream, as plain data. */
function judge(stream: Stream, more: Partial<Observations> = {}) {
  const { streams, ...rest } = evaluate(observe(stream, more));
  return { ...rest, ...streams[0]! };
}

const orderings = ['none', 'subject', 'practice'] as const;

describe('the verdict of chaos', () => {
  it.each(orderings)('finds nothing where nothing is wrong, ordering %s', (ordering) => {
    expect(judge(aStream(ordering))).toMatchObject({
      holds: true,
      due: 16,
      received: 16,
      lost: [],
      duplicates: 0,
      repetitions: 0,
      inversions: [],
      missingNumbers: [],
      faults: [],
    });
  });

  it('misses each event that did not arrive, whichever it is', () => {
    for (const [nth, event] of log.entries()) {
      const stream = aStream('subject');
      stream.arrivals.splice(nth, 1);
      expect(judge(stream)).toMatchObject({
        holds: false,
        lost: [event],
        missingNumbers: [nth + 1],
        received: 15,
      });
    }
  });

  it('misses a number that the hub gave and never sent', () => {
    const stream = aStream('none');
    for (const arrival of stream.arrivals.slice(8)) arrival.sequence += 1;
    stream.lastSequence += 1;
    const verdict = judge(stream);
    expect(verdict).toMatchObject({ holds: false, lost: [], missingNumbers: [9] });
    expect(verdict.faults).toEqual(['the hub has numbered 17 events and 16 are due']);
  });

  it('sees every pair of one key that arrived the wrong way round, and no other', () => {
    const keys = {
      none: () => '',
      subject: (event: LoggedEvent) => event.subject,
      practice: (event: LoggedEvent) => event.practiceId,
    };
    for (const ordering of orderings) {
      for (let nth = 0; nth + 4 < log.length; nth += 1) {
        for (const distance of [1, 2, 4]) {
          const stream = aStream(ordering);
          const [early, late] = [stream.arrivals[nth]!, stream.arrivals[nth + distance]!];
          [early.atMs, late.atMs] = [late.atMs, early.atMs];
          [early.acceptedAtMs, late.acceptedAtMs] = [early.atMs, late.atMs];
          stream.arrivals.sort((a, b) => a.atMs - b.atMs);
          const between = log.slice(nth, nth + distance + 1);
          const key = keys[ordering];
          // Whoever changes places with a neighbour of another key may still pass one of its own on the way.
          const passed =
            ordering !== 'none' &&
            [0, distance].some((own) =>
              between.some((other, i) => i !== own && key(other) === key(between[own]!)),
            );
          const verdict = judge(stream);
          expect([ordering, nth, distance, verdict.inversions.length > 0]).toEqual([
            ordering,
            nth,
            distance,
            passed,
          ]);
          expect(verdict.holds).toBe(!passed);
        }
      }
    }
  });

  it('wants the earlier one of a key accepted, not only arrived, before the later one comes', () => {
    const stream = aStream('subject');
    const refused = stream.arrivals[0]!;
    refused.acceptedAtMs = undefined;
    stream.arrivals.push({ ...refused, atMs: 9000, acceptedAtMs: 9000 });
    expect(judge(stream)).toMatchObject({
      holds: false,
      inversions: [{ key: 'accounts/0', earlier: 1, later: 5 }],
      repetitions: 1,
      duplicates: 0,
    });
    expect(judge({ ...stream, ordering: 'none' })).toMatchObject({ holds: true, repetitions: 1 });
  });

  it('counts what came again after it was accepted, and lets it pass', () => {
    const stream = aStream('practice');
    stream.arrivals.push({ ...stream.arrivals[3]!, atMs: 9000, acceptedAtMs: 9000 });
    expect(judge(stream)).toMatchObject({ holds: true, duplicates: 1, received: 16 });
  });

  it.each<[string, (stream: Stream & { arrivals: Arrival[] }) => void, RegExp]>([
    ['a forged signature', ({ arrivals }) => (arrivals[2]!.verified = false), /does not verify/],
    ['what is for another', ({ arrivals }) => (arrivals[2]!.endpointId = 'x'), /for endpoint x/],
    ['what is in no log', ({ arrivals }) => (arrivals[2]!.eventId = 'y'), /not in the log/],
    [
      'what was always refused',
      ({ arrivals }) => delete arrivals[2]!.acceptedAtMs,
      /never accepted/,
    ],
    [
      'one number for two events',
      ({ arrivals }) => (arrivals[2]!.sequence = 4),
      /number 4 came with the events event-2 and event-3/,
    ],
    [
      'two numbers for one event',
      ({ arrivals }) => arrivals.push({ ...arrivals[2]!, sequence: 17 }),
      /event-2 came under the numbers 3 and 17/,
    ],
    [
      'numbers that contradict the log',
      ({ arrivals }) => {
        [arrivals[2]!.sequence, arrivals[4]!.sequence] = [5, 3];
      },
      /the numbers 1 and 3 contradict|the numbers 3 and 5 contradict/,
    ],
    [
      'another manifest',
      (stream) => (stream.manifest = { count: 16, hash: 'no' }),
      /manifest differs/,
    ],
  ])('finds %s', (_, spoil, fault) => {
    const stream = aStream('none');
    spoil(stream);
    const { faults, holds } = judge(stream);
    expect(holds).toBe(false);
    expect(faults.join('\n')).toMatch(fault);
  });

  it('agrees with the manifest of exactly what arrived', () => {
    const stream = aStream('none');
    const lines = log.map(({ id }, nth) => `${nth + 1} ${id}\n`).join('');
    stream.manifest = { count: 16, hash: createHash('sha256').update(lines).digest('hex') };
    expect(judge(stream)).toMatchObject({ holds: true, manifestAgrees: true });
  });

  it('misses a fact that was accepted and is not in the log', () => {
    const { expected } = observe(aStream('none'));
    const more = new Map([...expected, ['charge.posted accounts/9', 1]]);
    expect(judge(aStream('none'), { expected: more })).toMatchObject({
      holds: false,
      unsaid: ['charge.posted accounts/9'],
    });
    const twice = new Map([...expected, ['charge.posted accounts/1', 5]]);
    expect(judge(aStream('none'), { expected: twice }).unsaid).toEqual([
      'charge.posted accounts/1',
    ]);
  });

  it('finds a fact that was done twice', () => {
    const { expected } = observe(aStream('none'));
    const once = new Map([...expected, ['charge.posted accounts/1', 3]]);
    expect(judge(aStream('none'), { expected: once })).toMatchObject({
      holds: false,
      unexplained: ['charge.posted accounts/1'],
    });
  });

  it('finds a log whose versions go down, and a feed that is not the log', () => {
    const inverted = log.map((event) => ({ ...event }));
    inverted[4]!.subjectVersion = 9;
    expect(judge(aStream('none'), { log: inverted })).toMatchObject({
      holds: false,
      disordered: ['accounts/0'],
    });
    const feed = log.slice(1).map(({ id }) => id);
    expect(judge(aStream('none'), { feed })).toMatchObject({
      holds: false,
      feedFault: 'at place 0 the feed has event-1 and the log event-0',
    });
  });
});

describe('the report of chaos', () => {
  const outcomeOf = (stream: Stream, more: Partial<Outcome> = {}): Outcome => ({
    seed: 42,
    accepted: 16,
    unaccepted: 0,
    refused: [],
    crashes: [],
    events: log.length,
    verdict: evaluate(observe(stream)),
    stall: { fromMs: 0, forMs: 1200 },
    stallAtMs: 3000,
    settledAfterMs: 900,
    faults: new Map([['hub kill -9', 2]]),
    setbacks: new Map(),
    ...more,
  });

  it('says that it holds, with what was done and the seed', () => {
    const outcome = outcomeOf(aStream('subject'));
    const text = reportOf(outcome).join('\n');
    expect(holds(outcome)).toBe(true);
    expect(text).toMatch(/^It holds/m);
    expect(text).toMatch(/^longest stall +1\.2 s \(from 3\.0 s\)$/m);
    expect(text).toMatch(/hub kill -9 ×2/);
    expect(text).toMatch(/^seed +42$/m);
  });

  it('names what is missing', () => {
    const stream = aStream('subject');
    stream.arrivals.splice(6, 1);
    const outcome = outcomeOf(stream);
    const text = reportOf(outcome).join('\n');
    expect(holds(outcome)).toBe(false);
    expect(text).toMatch(/"subject" lost: charge\.posted accounts\/2, event event-6/);
    expect(text).toMatch(/"subject" lacks the numbers: 7/);
    expect(text).toMatch(/does NOT hold.*--seed=42/);
  });

  it.each<[string, Partial<Outcome>]>([
    ['a fact that was never accepted', { unaccepted: 1 }],
    ['a refusal', { refused: ['POST /v1/x: 422 validation_failed'] }],
    ['a hub that ended by itself', { crashes: ['hub 1 ended by itself'] }],
    ['deliveries that stayed open', { settledAfterMs: undefined }],
  ])('does not hold with %s', (_, more) => {
    expect(holds(outcomeOf(aStream('none'), more))).toBe(false);
  });
});

describe('the longest stall', () => {
  const at = (...moments: number[]): Stream => ({
    ...aStream('none'),
    arrivals: moments.map((atMs, nth) => arrivalOf(log[nth]!, 'endpoint-none', { atMs })),
  });
  const events = (...moments: number[]) => moments.map((timeMs, nth) => ({ ...log[nth]!, timeMs }));

  it('counts from the arrival before it while something was due', () => {
    expect(longestStall(events(0, 10, 20), [at(5, 15, 900)])).toEqual({ fromMs: 20, forMs: 880 });
    expect(longestStall(events(0, 10, 10), [at(5, 15, 900)])).toEqual({ fromMs: 15, forMs: 885 });
  });

  it('does not count a time without anything due', () => {
    expect(longestStall(events(0, 10, 880), [at(5, 15, 900)])).toEqual({ fromMs: 880, forMs: 20 });
  });

  it('ends with whatever arrives, wherever', () => {
    expect(longestStall(events(0, 0, 0), [at(5, 15, 900), at(5, 400, 410)])).toEqual({
      fromMs: 410,
      forMs: 490,
    });
  });
});

describe('the plan of chaos', () => {
  const options = { seconds: 60, hubs: 3, broker: true };
  const planOf = (seed: number, more = {}) => planFaults(new Random(seed), { ...options, ...more });

  it('is the same for the same seed, and another for another', () => {
    expect(planOf(5)).toEqual(planOf(5));
    expect(planOf(5)).not.toEqual(planOf(6));
  });

  it('has every kind of fault and every mood of the receiver, also in half a minute', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const plan = planOf(seed, { seconds: 30 });
      const kinds = new Set(plan.map(({ fault }) => fault.kind));
      const all = ['broker', 'database', 'freeze-hub', 'kill-hub', 'receiver'];
      expect([...kinds].sort()).toEqual(all);
      const moods = plan.flatMap(({ fault }) => (fault.kind === 'receiver' ? fault.mood : []));
      expect(new Set(moods)).toEqual(new Set(badMoods));
    }
  });

  it('never lets a kind overlap itself, and ends in time', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const ends = new Map<Fault['kind'], number>();
      for (const { atMs, fault } of planOf(seed)) {
        expect(atMs).toBeGreaterThanOrEqual(ends.get(fault.kind) ?? 1000);
        ends.set(fault.kind, atMs + fault.forMs);
      }
      for (const end of ends.values()) expect(end).toBeLessThanOrEqual(59_001);
    }
  });

  it('leaves a broker alone that is not its own', () => {
    const kinds = planOf(1, { broker: false }).map(({ fault }) => fault.kind);
    expect(kinds).not.toContain('broker');
  });
});
