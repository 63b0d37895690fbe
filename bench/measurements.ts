import { measureAccepted } from './accepted.js';
import { measureBacklog } from './backlog.js';
import type { BenchHub } from './bench-hub.js';
import { measureEndToEnd, measureUnderLoad } from './end-to-end.js';
import { measureFairness } from './fairness.js';
import { spreadOf } from './figures.js';
import { measureHistory } from './history.js';
import { measureIdle } from './idle.js';
import { measureMemory } from './memory.js';
import type { RawLimit } from './raw-limit.js';
import { measureReminders } from './reminders.js';
import { rate, type Row } from './report.js';
import type { Stage } from './stage.js';

/** How much is done for each measurement. */
export interface Sizes {
  rounds: number;
  events: number;
  facts: number;
  samples: number;
  seconds: number;
  history: number[];
  retries: number;
  backlog: number;
  reminders: number;
}

export interface Bench {
  stage: Stage;
  raw: RawLimit;
  sizes: Sizes;
  progress(line: string): void;
  /** The hub over the embedded log, started when first asked for. */
  hub(): Promise<BenchHub>;
}

export type Measurement = (bench: Bench) => Promise<Row[]>;

const million = 1_000_000;
const manyEndpoints = 100;

function urlsOf(stage: Stage, path: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${stage.origin}/${path}/${i}`);
}

/** Rounds of a backlog, each against the raw limit around it; a smaller one before, which counts for nothing. */
async function backlogRow(
  { stage, raw, sizes, progress }: Bench,
  hub: BenchHub,
  endpoints: number,
  row: Pick<Row, 'measure' | 'aim' | 'stretch'>,
): Promise<Row> {
  const ids = await hub.listen(urlsOf(stage, 'backlog', endpoints));
  const events = Math.ceil(sizes.events / endpoints);
  try {
    await measureBacklog(stage, hub, Math.ceil(events / 4), ids);
    const rounds: Awaited<ReturnType<typeof measureRound>>[] = [];
    const measureRound = () => raw.compare(() => measureBacklog(stage, hub, events, ids));
    raw.forget();
    while (rounds.length < sizes.rounds) {
      const round = await measureRound();
      rounds.push(round);
      progress(`  ${row.measure}: ${rate(round.perSecond)}/s, ${round.ofRaw.toFixed(2)} of raw`);
    }
    const ofRaw = spreadOf(rounds.map((round) => round.ofRaw));
    const perSecond = spreadOf(rounds.map((round) => round.perSecond));
    const detail = `${rate(perSecond.median)}/s; ${ofRaw.least.toFixed(2)} to ${ofRaw.most.toFixed(2)} in ${rounds.length} rounds`;
    return { ...row, value: ofRaw.median, unit: 'ratio', detail, cpu: rounds.at(-1)!.cpu };
  } finally {
    await hub.unlisten(ids);
  }
}

async function idleRows(
  { stage, sizes }: Bench,
  hub: BenchHub,
  where: string,
  aims: { p50: [number, number?]; p99: [number, number?] },
): Promise<Row[]> {
  const { arrival, answer } = await measureIdle(stage, hub, sizes.samples);
  return (['p50', 'p99'] as const).map((rank) => ({
    measure: `idle hub, REST call to webhook, ${where}, ${rank}`,
    value: arrival[rank],
    aim: aims[rank][0],
    ...(aims[rank][1] !== undefined && { stretch: aims[rank][1] }),
    unit: 'ms',
    lessIsBetter: true,
    detail: `the call itself is answered after ${answer[rank].toFixed(1)} ms`,
  }));
}

async function endToEndRow(
  { stage, raw, sizes }: Bench,
  hub: BenchHub,
  endpoints: number,
  row: Pick<Row, 'measure' | 'aim' | 'stretch'>,
): Promise<Row & { factsPerSecond: number }> {
  const ids = await hub.listen(urlsOf(stage, 'end', endpoints));
  try {
    await measureEndToEnd(stage, hub, Math.ceil(sizes.facts / 3), ids);
    raw.forget();
    const { perSecond, factsPerSecond, ofRaw, cpu } = await raw.compare(() =>
      measureEndToEnd(stage, hub, sizes.facts, ids),
    );
    const detail = `${rate(perSecond)} deliveries/s of ${rate(factsPerSecond)} facts/s`;
    return { ...row, value: ofRaw, unit: 'ratio', detail, cpu, factsPerSecond };
  } finally {
    await hub.unlisten(ids);
  }
}

export const measurements: Record<string, Measurement> = {
  idle: async (bench) =>
    idleRows(bench, await bench.hub(), 'embedded', { p50: [6, 4], p99: [25, 15] }),

  backlog: async (bench) => [
    await backlogRow(bench, await bench.hub(), 1, {
      measure: 'backlog to one endpoint, of raw',
      aim: 0.5,
      stretch: 0.6,
    }),
  ],

  fanout: async (bench) => [
    await backlogRow(bench, await bench.hub(), manyEndpoints, {
      measure: 'one event to 100 endpoints, deliveries of raw',
      aim: 0.5,
      stretch: 0.6,
    }),
  ],

  'end-to-end': async (bench) => {
    const hub = await bench.hub();
    const { factsPerSecond, ...one } = await endToEndRow(bench, hub, 1, {
      measure: 'end to end under load, one endpoint, of raw',
      aim: 0.07,
      stretch: 0.1,
    });
    const { factsPerSecond: _, ...ten } = await endToEndRow(bench, hub, 10, {
      measure: 'end to end under load, 10 endpoints, deliveries of raw',
      aim: 0.3,
      stretch: 0.4,
    });
    const { stage, sizes } = bench;
    const paced = await measureUnderLoad(stage, hub, factsPerSecond / 2, sizes.seconds);
    const half: Row = {
      measure: 'REST call to webhook under half of the maximum load, p99',
      value: paced.p99,
      aim: 100,
      stretch: 50,
      unit: 'ms',
      lessIsBetter: true,
      detail: `p50 ${paced.p50.toFixed(1)} ms at ${rate(factsPerSecond / 2)} facts/s`,
    };
    return [one, ten, half];
  },

  accepted: async ({ stage, sizes, hub }) => {
    const { ofLoop, perSecond, loopPerSecond, cpu } = await measureAccepted(
      stage,
      await hub(),
      sizes.rounds,
      sizes.facts,
    );
    const detail = `${rate(perSecond.median)} facts/s, the loop ${rate(loopPerSecond.median)}/s`;
    const measure = 'facts accepted over REST, of a bare two-insert loop';
    return [{ measure, value: ofLoop.median, aim: 0.5, stretch: 0.7, unit: 'ratio', detail, cpu }];
  },

  fairness: async ({ stage, sizes, hub }) => {
    // About a third of what a hub of two cores delivers: what is looked for is not its limit.
    const factsPerSecond = 20;
    const { alone, withBad } = await measureFairness(
      stage,
      await hub(),
      factsPerSecond,
      sizes.seconds,
    );
    return [
      {
        measure: '98 endpoints beside a dead and a slow one, p99 against alone',
        value: withBad.p99 / alone.p99,
        aim: 1.3,
        stretch: 1.1,
        unit: 'ratio',
        lessIsBetter: true,
        detail: `${withBad.p99.toFixed(1)} ms, alone ${alone.p99.toFixed(1)} ms`,
      },
    ];
  },

  history: async ({ stage, raw, sizes, progress }) => {
    const { history, retries, events } = sizes;
    const levels = await measureHistory(stage, raw, history, retries, events, progress);
    const first = levels[0]!;
    return levels.slice(1).map((level) => ({
      measure: `${level.history.toLocaleString('en-US')} deliveries of history${
        level.retries > 0 ? ` and ${level.retries.toLocaleString('en-US')} waiting retries` : ''
      }, against ${first.history.toLocaleString('en-US')}`,
      value: first.ofRaw / level.ofRaw,
      aim: 1.2,
      unit: 'ratio',
      lessIsBetter: true,
      detail: `${level.ofRaw.toFixed(2)} of raw, with little ${first.ofRaw.toFixed(2)}`,
      cpu: level.cpu,
    }));
  },

  memory: async ({ stage, sizes }) => {
    const result = await measureMemory(stage, sizes.backlog, sizes.seconds);
    if (!result) return [];
    return [
      {
        measure: `hub memory with a backlog of ${sizes.backlog.toLocaleString('en-US')} deliveries`,
        value: result.most,
        aim: 300,
        stretch: 200,
        unit: 'MB',
        lessIsBetter: true,
        detail: `resident at most; ${Math.round(result.whileSlow)} MB while the receiver is slow`,
      },
    ];
  },

  reminders: async ({ stage, sizes }) => {
    const hub = await stage.startHub();
    try {
      const { reminders, seconds, live, cpu } = await measureReminders(stage, hub, {
        reminders: sizes.reminders,
        practices: Math.min(1000, Math.ceil(sizes.reminders / 100)),
      });
      const burst = `${reminders.toLocaleString('en-US')} reminders due at once`;
      return [
        {
          measure: `${burst}, until the last is said`,
          value: seconds,
          aim: 15,
          stretch: 8,
          unit: 's',
          lessIsBetter: true,
          detail: `${rate(reminders / seconds)} reminders/s`,
          cpu,
        },
        {
          measure: `${burst}, slowest live fact to webhook`,
          value: live.arrival.most,
          aim: 1000,
          unit: 'ms',
          lessIsBetter: true,
          detail: `p99 ${live.arrival.p99.toFixed(0)} ms of ${live.samples}`,
        },
      ];
    } finally {
      await hub.stop();
    }
  },
};

export const kafkaMeasurements: Record<string, (bench: Bench, hub: BenchHub) => Promise<Row[]>> = {
  'kafka-idle': (bench, hub) => idleRows(bench, hub, 'Kafka', { p50: [20], p99: [60] }),
  'kafka-backlog': async (bench, hub) => [
    await backlogRow(bench, hub, 1, {
      measure: 'backlog to one endpoint over Kafka, relay included, of raw',
      aim: 0.35,
      stretch: 0.45,
    }),
  ],
};

export const fullSizes: Sizes = {
  rounds: 3,
  events: 20_000,
  facts: 6000,
  samples: 200,
  seconds: 15,
  history: [10_000, 100_000, million],
  retries: million,
  backlog: million,
  reminders: 100_000,
};

export const quickSizes: Sizes = {
  rounds: 1,
  events: 5000,
  facts: 1500,
  samples: 50,
  seconds: 5,
  history: [10_000, 50_000],
  retries: 50_000,
  backlog: 50_000,
  reminders: 5000,
};
