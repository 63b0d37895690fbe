import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DataSource, type EntityManager } from 'typeorm';
import { anApplication, asApplication, type Client } from '../../test/support/applications.js';
import { eventually } from '../../test/support/eventually.js';
import { aPatient, aPractice } from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { AuditService } from '../audit/audit.service.js';
import { operator, scopeOf, type Caller } from '../platform/access/caller.js';
import { Callers } from '../platform/access/callers.js';
import type { Problem } from '../platform/http/problem.js';
import { Settings } from '../platform/settings.js';
import { DataKeys } from '../sealing/data-keys.js';
import { EndpointCalls } from '../subscriptions/endpoints/endpoint-calls.js';
import { EndpointEvents } from '../subscriptions/endpoints/endpoint-events.js';
import { EndpointsService } from '../subscriptions/endpoints/endpoints.service.js';
import { ReplayFinder } from '../subscriptions/replays/replay-finder.js';
import { ReplaysService } from '../subscriptions/replays/replays.service.js';
import { StreamsService } from '../subscriptions/streams/streams.service.js';
import { EnginePool } from './engine-pool.js';
import type { Scope } from './scope.js';
import { ScopedReads, type Connections } from './scoped-reads.js';
import { Transactions } from './transactions.js';

/* What row-security.int.spec.ts shows of patients, for what belongs to an endpoint and for the audit trail. */

let hub: TestHub;
let mine: string;
let caller: Caller;
let stranger: Caller;

beforeAll(async () => {
  hub = await startTestHub();
  const practices = [await aPractice(hub), await aPractice(hub)];
  const [elm, oak] = practices;
  // Before there is an endpoint to hear of it.
  await aPatient(hub, elm);
  const owner = await anOwner([elm], ['patient.*', 'endpoint.*'], { kind: 'human' });
  // Reaches the same practice, is told more of it, and has another one.
  const neighbour = await anOwner(practices, ['patient.*', 'account.*']);
  for (const practice of [elm, oak]) await aPatient(hub, practice);
  await untilFailed(owner, 1);
  await untilFailed(neighbour, 4);
  mine = owner.endpointId;
  [caller, stranger] = (await Promise.all(
    [owner, neighbour].map(({ key }) => hub.app.get(Callers).of(`Bearer ${key}`)),
  )) as [Caller, Caller];
});
afterAll(() => hub.close());

/** Reads in which the condition on an endpoint, or on a practice of the audit trail's, has been forgotten. */
class ForgetfulQueries extends ScopedReads {
  override within(scope: Scope): EntityManager {
    const manager = super.within(scope);
    const query = manager.query.bind(manager) as (...parameters: any[]) => any;
    manager.query = (sql: string, ...rest: unknown[]) => query(without(sql), ...rest);
    return manager;
  }

  override connections(scope: Scope): Connections {
    const { connect, query } = super.connections(scope) as any;
    const forgetful = (sql: any, ...rest: unknown[]) =>
      query(typeof sql === 'string' ? without(sql) : sql, ...rest);
    return { connect, query: forgetful } as Connections;
  }

  override steady<Row extends object>(scope: Scope, sql: string, values: unknown[]) {
    return super.steady<Row>(scope, without(sql), values);
  }
}

function without(sql: string): string {
  return sql
    .replace(/\bendpoint_id = \$1/, '$1::uuid is not null')
    .replace('audit_entries.practice_id = wanted.practice_id', 'true');
}

function neverCalled(): never {
  throw new Error('It was about to be called');
}

type Owner = Client & { endpointId: string };

/** An application with an endpoint at an address where nobody listens, and a replay of nothing. */
async function anOwner(
  practices: any[],
  eventTypes: string[],
  filter: object | null = null,
): Promise<Owner> {
  const client = await asApplication(hub, await anApplication(hub, practices));
  const target = { url: 'http://127.0.0.1:9/', eventTypes, filter };
  const { id } = (await client.api('POST', '/v1/endpoints', target)).body;
  const past = { to: '2020-01-01T00:00:00Z' };
  expect((await client.api('POST', `/v1/endpoints/${id}/replays`, past)).status).toBe(201);
  return { ...client, endpointId: id };
}

async function untilFailed({ api, endpointId }: Owner, count: number): Promise<void> {
  await eventually(async () => {
    const { body } = await api('GET', `/v1/endpoints/${endpointId}/deliveries?status=failed`);
    expect(body.data).toHaveLength(count);
  });
}

function streams(over: ScopedReads): StreamsService {
  return new StreamsService(over, hub.app.get(Settings), hub.app.get(DataKeys));
}

function replays(over: ScopedReads): ReplaysService {
  const { app } = hub;
  return new ReplaysService(
    over,
    app.get(EnginePool),
    app.get(Transactions),
    app.get(ReplayFinder),
    app.get(EndpointEvents),
  );
}

const cases: [string, string, (over: ScopedReads) => Promise<unknown>][] = [
  ['the numbers of a stream', 'deliveries', (over) => streams(over).page(caller, mine, 0, 100)],
  ['a stream for the operator', 'deliveries', (over) => streams(over).page(operator, mine, 0, 100)],
  [
    'a manifest',
    'deliveries',
    // With more lines than numbers some of them seem to have passed retention.
    (over) =>
      streams(over)
        .manifest(caller, mine, {})
        .catch(({ code }: Problem) => code),
  ],
  ['the list of replays', 'replays', (over) => replays(over).list(caller, mine, {})],
  ['a dry run', 'deliveries', (over) => replays(over).count(caller, mine, { status: ['failed'] })],
  ['the audit trail', 'audit_entries', (over) => new AuditService(over).list(caller, {})],
];

it.each(cases)(
  '%s: a forgotten condition brings in nothing of a neighbour',
  async (_, table, read) => {
    const forgetful = new ForgetfulQueries(hub.app.get(DataSource));
    const reads = hub.app.get(ScopedReads);
    const honest = await read(reads);
    expect(await read(forgetful)).toEqual(honest);
    await hub.database.query(`alter table ${table} disable row level security`);
    try {
      expect(await read(reads)).toEqual(honest);
      expect(await read(forgetful)).not.toEqual(honest);
    } finally {
      await hub.database.query(`alter table ${table} enable row level security`);
    }
  },
);

it('an endpoint is not there for a neighbour, also where no guard asks', async () => {
  const { app } = hub;
  const reads = app.get(ScopedReads);
  const calls = [
    (by: Caller) => app.get(EndpointsService).get(by, mine),
    (by: Caller) => app.get(EndpointsService).assertExists(by, mine),
    (by: Caller) => app.get(EndpointCalls).call(by, mine, neverCalled),
    (by: Caller) => streams(reads).page(by, mine, 0, 100),
    (by: Caller) => streams(reads).manifest(by, mine, {}),
    (by: Caller) => replays(reads).list(by, mine, {}),
    (by: Caller) => replays(reads).count(by, mine, { missing: true }),
  ];
  for (const call of calls) await expect(call(stranger)).rejects.toMatchObject({ status: 404 });
  await app.get(EndpointsService).assertExists(caller, mine);
});

it('a dry run looks for what is missing among what its owner may hear of, whoever asks', async () => {
  const missing = { dryRun: true, matched: 1, deliveries: 0, events: 1 };
  for (const asking of [caller, operator]) {
    const count = replays(hub.app.get(ScopedReads)).count(asking, mine, { missing: true });
    expect(await count).toEqual(missing);
  }
});

it('a steady read leaves no setting and no transaction on its connection, also where it fails', async () => {
  const reads = hub.app.get(ScopedReads);
  const scope = scopeOf(caller);
  const shown = `select current_setting('plan_cache_mode') as mode, now() = statement_timestamp() as alone`;
  expect((await reads.steady<any>(scope, shown, []))[0].mode).toBe('force_generic_plan');
  const rounds = Array.from({ length: 20 }, (_, nth) => nth);
  await Promise.all(
    rounds.map(async (nth) => {
      const failing = reads.steady(scope, 'select 1 / $1::int', [0]);
      await expect(failing).rejects.toMatchObject({ code: '22012' });
      const [after] = await reads.within(scope).query(shown);
      expect([nth, after]).toEqual([nth, { mode: 'auto', alone: true }]);
    }),
  );
});
