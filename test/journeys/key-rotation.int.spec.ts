import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { keyStatus, renewDataKeys, rewrapAll } from '../../src/sealing/key-care.js';
import { MasterKeys, newMasterKey } from '../../src/sealing/master-keys.js';
import { emitPatientCreated } from '../support/emit.js';
import { eventually } from '../support/eventually.js';
import { aPractice } from '../support/factories-patients.js';
import { createTestDatabase } from '../support/postgres.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

const batches = 40;

let folder: string;
let file: string;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
let receiver: WebhookReceiver;
let hub: TestHub;

const start = () =>
  startTestHub({
    databaseUrl: database.url,
    settings: { HUB_MASTER_KEY: '', HUB_MASTER_KEY_FILE: file },
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hub-rotation-'));
  file = join(folder, 'master-keys');
  database = await createTestDatabase();
  receiver = await startWebhookReceiver();
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

it('changes the master key and the data keys of a hub that writes and delivers all the while', async () => {
  const [former, next] = [newMasterKey(), newMasterKey()];
  const keysOf = (...all: string[]) => MasterKeys.of(all.map((key) => Buffer.from(key, 'base64')));
  await writeFile(file, former);
  hub = await start();
  const endpoint = { url: receiver.url, eventTypes: ['patient.created'] };
  const { body: made } = await hub.api('POST', '/v1/endpoints', endpoint);
  receiver.setSecret(made.secret);
  const practices = await Promise.all([1, 2, 3].map(() => aPractice(hub)));

  let written = 0;
  const writing = (async () => {
    for (; written < batches; written += 1) {
      await emitPatientCreated(hub, practices[written % 3]!.id, 5);
    }
  })();
  await eventually(() => expect(written).toBeGreaterThan(3));
  await writeFile(file, `${next},${former}`);
  await utimes(file, new Date(), new Date(Date.now() + 5000));
  const client = hub.database as never;
  const both = keysOf(next, former);
  await renewDataKeys(client, both, Buffer.alloc(32, 1));
  // Until the hub has read its file, a key that it makes is wrapped under the former one.
  await eventually(async () => {
    await rewrapAll(client, both);
    const { wrapped, active } = await keyStatus(client);
    expect(wrapped.map(({ id }) => id)).toEqual([both.firstId]);
    expect(active).toBeGreaterThan(1);
  }, 30_000);
  await writing;
  const received = await receiver.waitForCount(batches * 5);
  expect(received.filter(({ verified }) => !verified)).toEqual([]);

  // The former one may go now: all that was sealed before is read with the new one alone.
  await writeFile(file, next);
  await hub.close();
  hub = await start();
  const { body: feed } = await hub.api('GET', '/v1/events?eventTypes=patient.created&limit=200');
  expect(feed.data).toHaveLength(batches * 5);
  for (const { data } of feed.data) expect(data).toHaveProperty('givenName');
  await emitPatientCreated(hub, practices[0]!.id, 1);
  await receiver.waitForCount(batches * 5 + 1);
}, 120_000);
