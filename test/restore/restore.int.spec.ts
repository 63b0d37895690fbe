import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';
import { migrate } from '../../src/database/migrate.js';
import { parsePosition } from '../../src/events/position.js';
import { describeOnBothBuses } from '../support/buses.js';
import { copyDatabase } from '../support/copy-tables.js';
import { eventually } from '../support/eventually.js';
import { book, inMinutes } from '../support/factories-appointments.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { startHubProcess, type HubProcess } from '../support/hub-process.js';
import { createTestDatabase } from '../support/postgres.js';
import { dumpAndRestore, findPostgres, startCluster } from '../support/postgres-servers.js';
import {
  arrivalsOf,
  expectWholeStream,
  readFeed,
  readStream,
  subscribe,
} from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/** Where the machine was so slow that a second attempt failed too, the third comes after more than a minute. */
const patienceMs = 90_000;
jest.setTimeout(3 * patienceMs);

/** Beyond what a restore spends in the fresh cluster. */
const spentTransactions = 5_000;

/** A database with the hub's schema, and the way it gets into a fresh cluster. */
interface Restoration {
  sourceUrl: string;
  /** @returns the address of the restored database. */
  restore(): Promise<string>;
  close(): Promise<void>;
}

/*
 * A dump is restored into a fresh cluster, where transaction ids start again far below those in the log.
 */
function itSurvives(
  open: () => Promise<Restoration>,
  settings: () => Record<string, string>,
): void {
  let restoration: Restoration;
  let receiver: WebhookReceiver;
  const hubs: HubProcess[] = [];
  beforeEach(async () => {
    [restoration, receiver] = await Promise.all([open(), startWebhookReceiver()]);
  });
  afterEach(async () => {
    await Promise.all(hubs.splice(0).map((hub) => hub.kill()));
    await receiver?.close();
    await restoration?.close();
  });

  async function startHub(
    databaseUrl: string,
    common: Record<string, string>,
  ): Promise<HubProcess> {
    const hub = await startHubProcess({ databaseUrl, settings: common });
    hubs.push(hub);
    return hub;
  }

  it('loses no event, keeps their order, and delivers what is owed', async () => {
    const common = settings();
    const source = new pg.Pool({ connectionString: restoration.sourceUrl, max: 4 });
    await source.query(
      `do $$ begin for i in 1..${spentTransactions} loop perform pg_current_xact_id(); commit; end loop; end $$`,
    );
    const before = await startHub(restoration.sourceUrl, common);
    const quick = await subscribe(before, receiver, '/quick');
    const broken = await subscribe(before, receiver, '/broken');
    const slow = await subscribe(before, receiver, '/slow');
    receiver.respondWith((_, { path }) => {
      // Not a failure of the endpoint's, of which the log would tell as well.
      if (path === broken.path) return 429;
      return path === slow.path ? { status: 200, delayMs: 120_000 } : 200;
    });
    const practices = [await aPractice(before), await aPractice(before)];
    const make = (hub: HubProcess, count: number) =>
      Promise.all(Array.from({ length: count }, (_, nth) => aPatient(hub, practices[nth % 2]!)));
    const [patient] = await make(before, 10);
    await eventually(async () => {
      const statuses = async (of: { id: string }) =>
        (await readStream(before, of)).map(({ status }) => status);
      expect(await statuses(quick)).toEqual(Array(20).fill('delivered'));
      // It is left alone for a second before all have been tried.
      const tried = await statuses(broken);
      expect(tried).toHaveLength(20);
      expect(tried.filter((status) => status === 'failed').length).toBeGreaterThanOrEqual(10);
      expect(tried.every((status) => ['failed', 'pending'].includes(status))).toBe(true);
      expect(await statuses(slow)).toEqual(Array(20).fill('pending'));
    });
    const followed = (await before.api('GET', '/v1/events?limit=200')).body;
    expect(followed.data).toHaveLength(20);

    // An open transaction keeps what comes now in the log, where no consumer may read it yet.
    const writer = await source.connect();
    await writer.query('begin; select pg_current_xact_id()');
    await make(before, 5);
    const clinic = { practiceId: practices[0].id, patientId: patient.id, accountId: '' };
    const due = await inMinutes({ database: source }, 30 + 5 / 60);
    const appointment = await book(before, clinic, due);
    await before.kill();
    writer.release(true);
    const { rows: logged } = await source.query<{ id: string; xact_id: string }>(
      `select id, xact_id::text from events order by generation, xact_id, seq`,
    );
    expect(logged).toHaveLength(31);
    const onceDelivered = arrivalsOf(quick).map(({ event }) => event.id);

    const targetUrl = await restoration.restore();
    await source.end();
    const target = new pg.Client({ connectionString: targetUrl });
    await target.connect();
    const { rows: now } = await target.query(`select pg_current_xact_id()::text as xact_id`);
    await target.end();
    expect(Number(now[0].xact_id)).toBeLessThan(Number(logged[0]!.xact_id));

    receiver.respondWith(() => 200);
    const after = await startHub(targetUrl, common);
    await make(after, 5);
    await receiver.waitFor(({ event }) => event.type === 'appointment.reminder_due', 60_000);
    for (const partner of [quick, broken, slow]) {
      const events = await expectWholeStream(after, partner, patienceMs);
      // What was there first comes first, in its old order; then ten of new patients, and the reminder.
      expect(events.slice(0, 31).map(({ id }) => id)).toEqual(logged.map(({ id }) => id));
      expect(events).toHaveLength(42);
      const reminders = events.filter(({ type }) => type === 'appointment.reminder_due');
      expect(reminders.map(({ subject }) => subject)).toEqual([`appointments/${appointment.id}`]);
    }
    // What the books called delivered was not sent again.
    const again = arrivalsOf(quick).filter(({ event }) => onceDelivered.includes(event.id));
    expect(again).toHaveLength(20);
    // Whoever followed the feed goes on where it stood.
    const feed = await readFeed(after);
    expect(await readFeed(after, followed.nextCursor)).toEqual(feed.slice(20));
    const generationOf = new Map(
      arrivalsOf(quick).map(({ event }) => [
        event.id,
        parsePosition(event.hubposition)!.generation,
      ]),
    );
    const generations = feed.map(({ id }) => generationOf.get(id));
    expect(generations).toEqual([...Array(31).fill(1), ...Array(11).fill(2)]);
    expect((await after.api('GET', '/health/ready')).body).toMatchObject({ status: 'up' });
  });
}

describeOnBothBuses('every table copied into a fresh cluster', (bus) => {
  itSurvives(async () => {
    const { url, drop } = await createTestDatabase();
    const home = await mkdtemp(join(tmpdir(), 'hub-restore-'));
    let fresh: Awaited<ReturnType<typeof startEmbeddedPostgres>> | undefined;
    return {
      sourceUrl: url,
      restore: async () => {
        fresh = await startEmbeddedPostgres({
          dataDir: home,
          durable: false,
          log: () => undefined,
        });
        await migrate(fresh.url);
        await copyDatabase(url, fresh.url);
        return fresh.url;
      },
      close: async () => {
        await fresh?.stop();
        if (fresh) await rm(fresh.dataDir, { recursive: true, force: true });
        await rm(home, { recursive: true, force: true });
        await drop();
      },
    };
  }, bus.settings);
});

const installation = await findPostgres();

describe('pg_dump into a fresh cluster', () => {
  if (!installation) {
    it('did NOT run: there is no pg_dump', () => {
      const report =
        'The restore of a pg_dump was NOT tried: no PostgreSQL 14 or later with its pg_dump, initdb and psql in PATH or /usr/lib/postgresql.';
      if (process.env.REQUIRE_PG_DUMP === '1') throw new Error(`REQUIRE_PG_DUMP=1, but ${report}`);
      console.warn(report);
    });
    return;
  }
  describe(`of PostgreSQL ${installation.version}`, () => {
    itSurvives(
      async () => {
        const [source, target] = await Promise.all([
          startCluster(installation),
          startCluster(installation),
        ]);
        await migrate(source.url);
        return {
          sourceUrl: source.url,
          restore: async () => {
            await makeRoles(target.url);
            await dumpAndRestore(installation, source.url, target.url);
            return target.url;
          },
          close: async () => {
            await Promise.all([source.stop(), target.stop()]);
          },
        };
      },
      () => ({}),
    );
  });
});

/** Roles belong to the cluster, and a dump of a database has none: README, "Operating it". */
async function makeRoles(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('create role hub_api nologin; create role hub_engine nologin');
  await client.end();
}
