import type { StreamVerdict, Verdict } from './evaluate.js';
import type { Stall } from './stall.js';

const mostShown = 10;

export interface Outcome {
  seed: number;
  accepted: number;
  /** Facts that were never accepted. */
  unaccepted: number;
  refused: readonly string[];
  crashes: readonly string[];
  events: number;
  verdict: Verdict;
  stall: Stall;
  /** When the stall began, counted from the start of the load. */
  stallAtMs: number;
  settledAfterMs: number | undefined;
  faults: ReadonlyMap<string, number>;
  setbacks: ReadonlyMap<string, number>;
}

export function holds({ verdict, unaccepted, refused, crashes, settledAfterMs }: Outcome): boolean {
  const quiet = refused.length === 0 && crashes.length === 0 && unaccepted === 0;
  return verdict.holds && quiet && settledAfterMs !== undefined;
}

/** The result as lines of text. */
export function reportOf(outcome: Outcome): string[] {
  const { verdict, stall } = outcome;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const facts: [string, string | number][] = [
    ['facts accepted', outcome.accepted],
    ['facts never accepted (must be 0)', outcome.unaccepted],
    ['events in the log', outcome.events],
    ['accepted and not in the log (must be 0)', verdict.unsaid.length],
    ['in the log and never accepted (must be 0)', verdict.unexplained.length],
    ['hubs that ended by themselves (must be 0)', outcome.crashes.length],
    ['longest stall', `${seconds(stall.forMs)} (from ${seconds(outcome.stallAtMs)})`],
    [
      'everything arrived',
      outcome.settledAfterMs === undefined
        ? 'NO'
        : `${seconds(outcome.settledAfterMs)} after the last fault was mended`,
    ],
    ['inflicted', counts(outcome.faults)],
    ['requests told again for', counts(outcome.setbacks)],
    ['seed', outcome.seed],
  ];
  const columns: [string, (stream: StreamVerdict) => string | number][] = [
    ['endpoint', ({ stream }) => stream.name],
    ['ordering', ({ stream }) => stream.ordering],
    ['due', ({ due }) => due],
    ['received', ({ received }) => received],
    ['lost', ({ lost }) => lost.length],
    ['duplicates', ({ duplicates }) => duplicates],
    ['after refusal', ({ repetitions }) => repetitions],
    [
      'order violations',
      ({ stream, inversions }) => (stream.ordering === 'none' ? '-' : inversions.length),
    ],
    ['sequence gaps', ({ missingNumbers }) => missingNumbers.length],
    [
      'manifest',
      ({ stream, manifestAgrees }) =>
        stream.manifest ? (manifestAgrees ? 'equal' : 'DIFFERS') : '-',
    ],
    ['other faults', ({ faults }) => faults.length],
  ];
  const table = [
    columns.map(([name]) => name),
    ...verdict.streams.map((stream) => columns.map(([, of]) => String(of(stream)))),
  ];
  const widths = columns.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  return [
    '',
    ...facts.map(([name, value]) => `${name.padEnd(44)}${value}`),
    '',
    ...table.map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    ),
    '',
    ...complaints(outcome),
    holds(outcome)
      ? 'It holds: nothing lost, nothing out of order, no number missing.'
      : `It does NOT hold. The same faults again: --seed=${outcome.seed}`,
  ];
}

function complaints({ verdict, refused, crashes, unaccepted }: Outcome): string[] {
  const lists: [string, readonly string[]][] = [
    ['refused', refused],
    ['ended by itself', crashes],
    ['never accepted', unaccepted > 0 ? [`${unaccepted} facts`] : []],
    ['accepted and not in the log', verdict.unsaid],
    ['in the log and never accepted', verdict.unexplained],
    ['versions that go down in the log', verdict.disordered],
    ['the feed', verdict.feedFault ? [verdict.feedFault] : []],
    ...verdict.streams.flatMap(({ stream, lost, inversions, missingNumbers, faults }) => {
      const of = (what: string) => `"${stream.name}" ${what}`;
      return [
        [of('lost'), lost.map(({ id, type, subject }) => `${type} ${subject}, event ${id}`)],
        [
          of('out of order'),
          inversions.map(
            ({ key, earlier, later }) => `${key}: ${later} did not wait for ${earlier}`,
          ),
        ],
        [of('lacks the numbers'), missingNumbers.map(String)],
        [of('is wrong'), faults],
      ] satisfies [string, readonly string[]][];
    }),
  ];
  return lists.flatMap(([what, found]) => [
    ...found.slice(0, mostShown).map((each) => `${what}: ${each}`),
    ...(found.length > mostShown ? [`${what}: and ${found.length - mostShown} more`] : []),
  ]);
}

function counts(found: ReadonlyMap<string, number>): string {
  const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([what, count]) => `${what} ×${count}`).join(', ') || 'nothing';
}
