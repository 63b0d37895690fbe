import { connectionBudget } from '../src/database/data-source.js';
import { Child } from './child.js';
import type { BenchHub } from './bench-hub.js';
import { cpuOf, cpuPer, type CpuTimes } from './cpu.js';
import { description } from './facts.js';
import { mean, spreadOf, type Spread } from './figures.js';
import type { Stage } from './stage.js';
import type { WriterOrder, WriterReport, WriterSign } from './writers.js';

const clients = 100;
/** Code that has run a few thousand times runs several times as fast as at first. */
const warmUp = 3000;
/** The hub's default of HUB_DATABASE_CONNECTIONS. */
const databaseConnections = 20;
const patientsPerPractice = 5;
const withinMs = 120_000;

export interface AcceptedResult {
  /** Facts over REST. */
  perSecond: Spread;
  /** Bare transactions of two inserts, over as many connections as the hub has for its API. */
  loopPerSecond: Spread;
  /** Facts as a part of the loops just before and just after them. */
  ofLoop: Spread;
  /** Microseconds of processor time for a fact, reading it from the log included. */
  cpu: CpuTimes;
}

/**
 * How fast facts are accepted: charges posted one by one over REST, each answered when it is committed with its
 * events, against a loop that does nothing but begin, insert two such rows and commit, on the same server. Nobody
 * listens meanwhile; the hub reads the events from the log all the same.
 */
export async function measureAccepted(
  stage: Stage,
  hub: BenchHub,
  rounds: number,
  writes: number,
): Promise<AcceptedResult> {
  const writers = new Child<WriterOrder, WriterReport | WriterSign>('./writers.ts');
  try {
    const order = { ...(await chargesFor(hub)), warmUp, writes };
    const run = (kind: WriterOrder['kind']) => measureWriting(stage, hub, writers, order, kind);
    const [rest, loop, ofLoop] = [[], [], []] as [Written[], Written[], number[]];
    loop.push(await run('loop'));
    for (let round = 1; round <= rounds; round += 1) {
      rest.push(await run('rest'));
      loop.push(await run('loop'));
      ofLoop.push(rest.at(-1)!.perSecond / mean(loop.slice(-2).map((each) => each.perSecond)));
    }
    return {
      perSecond: spreadOf(rest.map(({ perSecond }) => perSecond)),
      loopPerSecond: spreadOf(loop.map(({ perSecond }) => perSecond)),
      ofLoop: spreadOf(ofLoop),
      cpu: {
        hub: mean(rest.map(({ cpu }) => cpu.hub!)),
        PostgreSQL: mean(rest.map(({ cpu }) => cpu.PostgreSQL!)),
        'PostgreSQL, bare loop': mean(loop.map(({ cpu }) => cpu.PostgreSQL!)),
      },
    };
  } finally {
    await writers.stop();
  }
}

interface Written {
  perSecond: number;
  /** Of one fact, or one turn of the loop. */
  cpu: CpuTimes;
}

async function measureWriting(
  stage: Stage,
  hub: BenchHub,
  writers: Child<WriterOrder, WriterReport | WriterSign>,
  order: Omit<WriterOrder, 'kind' | 'connections'>,
  kind: WriterOrder['kind'],
): Promise<Written> {
  const begun = writers
    .report((report): report is WriterSign => report.kind === 'begun', withinMs)
    .then(() => cpuOf(stage.processes(hub)));
  const written = writers
    .report((report): report is WriterReport => report.kind === 'written', withinMs)
    .then(async (report) => ({ ...report, after: await cpuOf(stage.processes(hub)) }));
  const connections = kind === 'rest' ? clients : connectionBudget(databaseConnections).api;
  writers.order({ ...order, kind, connections });
  const [before, { seconds, after }] = await Promise.all([begun, written]);
  const { writes } = order;
  return { perSecond: writes / seconds, cpu: cpuPer(writes, before, after) };
}

async function chargesFor(hub: BenchHub) {
  const [paths, charges]: [string[], object[]] = [[], []];
  for (let i = 0; i < patientsPerPractice * hub.practiceIds.length; i += 1) {
    const below = `/v1/practices/${hub.practiceIds[i % hub.practiceIds.length]}`;
    const patient = { kind: 'human', givenName: 'Ada', familyName: 'Byrne' };
    const { id: patientId } = await hub.post(`${below}/patients`, patient);
    paths.push(`${below}/charges`);
    charges.push({ patientId, amount: 12_500, currency: 'USD', description });
  }
  const { url, key, databaseUrl } = hub;
  return { url, key, databaseUrl, paths, charges };
}
