import { connectionBudget } from '../src/database/data-source.js';
import { Child } from './child.js';
import { cpuTime, type CpuTime } from './accepted-cpu.js';
import { description } from './facts.js';
import { mean, spreadOf, type Spread } from './figures.js';
import { post, type BenchHub, type Stage } from './stage.js';
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
  cpu: { hub: number; postgres?: number; loopPostgres?: number };
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
    await listening(hub, false);
    const order = { ...(await chargesFor(hub)), warmUp, writes };
    const run = (kind: WriterOrder['kind']) => measureWriting(stage, hub, writers, order, kind);
    const [rest, loop, ofLoop] = [[], [], []] as [Written[], Written[], number[]];
    loop.push(await run('loop'));
    for (let round = 1; round <= rounds; round += 1) {
      rest.push(await run('rest'));
      loop.push(await run('loop'));
      ofLoop.push(rest.at(-1)!.perSecond / mean(loop.slice(-2).map((each) => each.perSecond)));
    }
    const server = (written: Written[]) =>
      written[0]!.cpu.postgres && mean(written.map(({ cpu }) => cpu.postgres!));
    return {
      perSecond: spreadOf(rest.map(({ perSecond }) => perSecond)),
      loopPerSecond: spreadOf(loop.map(({ perSecond }) => perSecond)),
      ofLoop: spreadOf(ofLoop),
      cpu: {
        hub: mean(rest.map(({ cpu }) => cpu.hub)),
        postgres: server(rest),
        loopPostgres: server(loop),
      },
    };
  } finally {
    await writers.stop();
    await listening(hub, true);
  }
}

interface Written {
  perSecond: number;
  /** Of one fact, or one turn of the loop. */
  cpu: CpuTime;
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
    .then(() => cpuTime(stage, hub));
  const written = writers
    .report((report): report is WriterReport => report.kind === 'written', withinMs)
    .then(async (report) => ({ ...report, after: await cpuTime(stage, hub) }));
  const connections = kind === 'rest' ? clients : connectionBudget(databaseConnections).api;
  writers.order({ ...order, kind, connections });
  const [before, { seconds, after }] = await Promise.all([begun, written]);
  const { writes } = order;
  return {
    perSecond: writes / seconds,
    cpu: {
      hub: (after.hub - before.hub) / writes,
      postgres: after.postgres && before.postgres && (after.postgres - before.postgres) / writes,
    },
  };
}

async function chargesFor(hub: BenchHub) {
  const [paths, charges]: [string[], object[]] = [[], []];
  for (let i = 0; i < patientsPerPractice * hub.practiceIds.length; i += 1) {
    const below = `/v1/practices/${hub.practiceIds[i % hub.practiceIds.length]}`;
    const patient = { kind: 'human', givenName: 'Ada', familyName: 'Byrne' };
    const { id: patientId } = await post(hub, `${below}/patients`, patient);
    paths.push(`${below}/charges`);
    charges.push({ patientId, amount: 12_500, currency: 'USD', description });
  }
  const { url, key, databaseUrl } = hub;
  return { url, key, databaseUrl, paths, charges };
}

/** Whether anybody hears of charges. */
async function listening({ url, key, backlogEndpointId }: BenchHub, enabled: boolean) {
  const answer = await fetch(`${url}/v1/endpoints/${backlogEndpointId}`, {
    method: 'PATCH',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'if-match': '*',
    },
    body: JSON.stringify({ enabled }),
  });
  if (!answer.ok) throw new Error(`PATCH of the endpoint: ${answer.status}`);
}
