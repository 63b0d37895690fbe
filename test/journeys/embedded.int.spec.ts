import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { isRunning, serverPid } from '../support/embedded-postgres-holder.js';
import { eventually } from '../support/eventually.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { startHubProcess, type HubProcess } from '../support/hub-process.js';
import { arrivalsOf, expectWholeStream, subscribe, type Subscriber } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * One machine, one command: the hub on the PostgreSQL it brings along, which dies with it or under it.
 */
let hub: HubProcess;
let receiver: WebhookReceiver;
let partner: Subscriber;
let practice: any;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'hub-journey-'));
  [hub, receiver] = await Promise.all([start(), startWebhookReceiver()]);
  partner = await subscribe(hub, receiver);
  practice = await aPractice(hub);
});
afterEach(() => receiver.respondWith(() => 200));
afterAll(async () => {
  const data = hub && dataDir();
  await hub?.kill();
  await receiver?.close();
  if (data) {
    await eventually(async () => expect(await serverIsRunning(data)).toBe(false));
    await rm(data, { recursive: true, force: true });
  }
  await rm(home, { recursive: true, force: true });
});

function start(): Promise<HubProcess> {
  return startHubProcess({ settings: { HUB_DATA_DIR: home } });
}

/** Where the hub says that its data is. */
function dataDir(): string {
  return /^ {2}data {5}(\S+)$/m.exec(hub.output())![1]!;
}

async function serverIsRunning(data: string): Promise<boolean> {
  const pid = await serverPid(data).catch(() => undefined);
  return pid !== undefined && isRunning(pid);
}

it('delivers after kill -9 of the hub what it had answered for, from the data it finds again', async () => {
  receiver.respondWith(() => ({ status: 200, delayMs: 60_000 }));
  const { id } = await aPatient(hub, practice);
  await receiver.waitFor(({ event }) => event.subject === `patients/${id}`);
  const before = arrivalsOf(partner).length;
  await hub.kill();

  receiver.respondWith(() => 200);
  hub = await start();
  const events = await expectWholeStream(hub, partner);
  expect(events.map(({ subject }) => subject)).toContain(`patients/${id}`);
  expect(arrivalsOf(partner).length).toBeGreaterThan(before);
});

it('goes on when its PostgreSQL is killed under it', async () => {
  const killed = await serverPid(dataDir());
  const sent = Array.from({ length: 30 }, () => aPatient(hub, practice));
  await Promise.any(sent);
  process.kill(killed, 'SIGKILL');
  const answered = (await Promise.allSettled(sent)).flatMap((result) =>
    result.status === 'fulfilled' ? [`patients/${result.value.id}`] : [],
  );
  const { id } = await eventually(() => aPatient(hub, practice), 40_000);
  expect(await serverPid(dataDir())).not.toBe(killed);
  const events = await expectWholeStream(hub, partner);
  expect(events.map(({ subject }) => subject)).toEqual(
    expect.arrayContaining([...answered, `patients/${id}`]),
  );
  expect((await hub.api('GET', '/health/ready')).body).toMatchObject({ status: 'up' });
});

it('stops in good order though nobody reads its output, and starts again where it was', async () => {
  const data = dataDir();
  const { id } = await aPatient(hub, practice);
  hub.closeOutput();
  await hub.stop();
  expect(await serverIsRunning(data)).toBe(false);
  expect(await readFile(join(data, 'data', 'PG_VERSION'), 'utf8')).toMatch(/^\d+\n$/);

  hub = await start();
  expect(dataDir()).toBe(data);
  const events = await expectWholeStream(hub, partner);
  expect(events.map(({ subject }) => subject)).toContain(`patients/${id}`);
});
