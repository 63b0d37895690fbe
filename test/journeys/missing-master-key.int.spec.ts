import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { Transactions } from '../../src/database/transactions.js';
import { catalog } from '../../src/events/catalog/catalog.js';
import { Outbox } from '../../src/events/outbox/outbox.js';
import { bindingOfKey } from '../../src/sealing/keys-at-hand.js';
import { MasterKeyMissing, MasterKeys, newMasterKey } from '../../src/sealing/master-keys.js';
import { eventually } from '../support/eventually.js';
import { aPractice } from '../support/factories-patients.js';
import { createTestDatabase } from '../support/postgres.js';
import { testKeys } from '../support/sealed.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { arrivalsOf, readStream, subscribe, type Subscriber } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * Another hub has wrapped a practice's data key under a master key that this hub was not given. What is sealed under it
 * waits until that is given, and nothing else does.
 */
const [own, others] = [newMasterKey(), newMasterKey()];
const ring = MasterKeys.of([own, others].map((key) => Buffer.from(key, 'base64')));

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let receiver: WebhookReceiver;
let directory: string;
let file: string;
let hub: TestHub;
let locked: { id: string };
let open: { id: string };

beforeAll(async () => {
  database = await createTestDatabase();
  receiver = await startWebhookReceiver();
  directory = await mkdtemp(join(tmpdir(), 'hub-missing-key-'));
  file = join(directory, 'keys');
});
afterAll(async () => {
  await receiver.close();
  await rm(directory, { recursive: true });
  await database.drop();
});
beforeEach(async () => {
  await writeFile(file, own);
  hub = await start();
  [locked, open] = [await aPractice(hub), await aPractice(hub)];
  // A practice has a data key from its first event on.
  await write(locked.id, uuidv7(), [1]);
});
afterEach(async () => {
  await wrapUnder(0);
  await hub.close();
});

function start(): Promise<TestHub> {
  const settings = { HUB_MASTER_KEY: '', HUB_MASTER_KEY_FILE: file };
  return startTestHub({ databaseUrl: database.url, settings });
}

/** A hub that has the practice's data key not at hand, and cannot unwrap it from now on. */
async function loseKey(): Promise<void> {
  await hub.close();
  hub = await start();
  await wrapUnder(1);
}

/** Wraps the practice's data key under one master key of the two. */
async function wrapUnder(place: 0 | 1): Promise<void> {
  const { rows } = await hub.database.query(
    'select number, wrapped, master_key_id from data_keys where practice_id = $1',
    [locked.id],
  );
  const to = MasterKeys.of([Buffer.from([own, others][place]!, 'base64')]);
  for (const { number, wrapped, master_key_id } of rows) {
    const binding = bindingOfKey(locked.id);
    const anew = to.wrap(ring.unwrap(wrapped, master_key_id, binding), binding);
    await hub.database.query(
      'update data_keys set wrapped = $2, master_key_id = $3 where number = $1',
      [number, anew.wrapped, anew.masterKeyId],
    );
  }
}

async function giveKey(): Promise<void> {
  await writeFile(file, `${own}\n${others}\n`);
  await utimes(file, new Date(), new Date(Date.now() + 5000));
}

/** Events as another hub writes them, which has both master keys. */
async function write(practiceId: string, subjectId: string, versions: number[]): Promise<void> {
  const outbox = new Outbox(testKeys(hub.database, undefined, ring));
  const data = { ...catalog['patient.created'].example, patientId: uuidv7(), accountId: uuidv7() };
  await hub.app.get(Transactions).run([practiceId], (tx) =>
    outbox.append(
      tx,
      { actor: 'operator', correlationId: 'another-hub' },
      versions.map((subjectVersion) => ({
        type: 'patient.created' as const,
        practiceId,
        subjectId,
        subjectVersion,
        data,
      })),
    ),
  );
}

const versionsAt = (subscriber: Subscriber, practice: { id: string }) =>
  arrivalsOf(subscriber)
    .filter(({ event }) => event.practiceid === practice.id)
    .map(({ event }) => Number(event.subjectversion));

const health = async () => (await fetch(`${hub.url}/health/ready`)).json() as Promise<any>;

describe('without the master key of one practice', () => {
  it('the hub does not start, and says how many data keys wait for which', async () => {
    await wrapUnder(1);
    await hub.close();
    const refusal = start();
    await expect(refusal).rejects.toThrow(MasterKeyMissing);
    await expect(refusal).rejects.toThrow(`${ring.ids[1]} (1 data key)`);
    await giveKey();
    hub = await start();
  });

  it('what others are to hear arrives, and the practice’s in order once the key is there', async () => {
    const path = (name: string) => `/${name}-${locked.id}`;
    const ordered = { ordering: 'subject' };
    const ofLocked = await subscribe(hub, receiver, path('locked'), {
      practiceIds: [locked.id],
      ...ordered,
    });
    const ofOpen = await subscribe(hub, receiver, path('open'), { practiceIds: [open.id] });
    const ofBoth = await subscribe(hub, receiver, path('both'), {
      practiceIds: [locked.id, open.id],
      ...ordered,
    });
    await loseKey();
    const [patient, other] = [uuidv7(), uuidv7()];
    await write(open.id, other, [1, 2]);
    await eventually(() => expect(versionsAt(ofBoth, open)).toEqual([1, 2]));
    await write(locked.id, patient, [1, 2, 3]);
    await write(open.id, other, [3, 4]);
    await eventually(() => expect(versionsAt(ofOpen, open).toSorted()).toEqual([1, 2, 3, 4]));
    // It is asked for again and again meanwhile.
    await eventually(async () =>
      expect(await health()).toMatchObject({ status: 'degraded', lockedDataKeys: 1 }),
    );
    await write(locked.id, patient, [4]);
    await write(open.id, other, [5]);
    await eventually(() => expect(versionsAt(ofOpen, open)).toContain(5));
    expect([versionsAt(ofLocked, locked), versionsAt(ofBoth, locked)]).toEqual([[], []]);
    expect(versionsAt(ofBoth, open)).toEqual([1, 2]);
    const waiting = await readStream(hub, ofLocked);
    expect(new Set(waiting.map(({ status }) => status))).toEqual(new Set(['pending']));

    const feed = (practice: { id: string }) =>
      hub.api('GET', `/v1/events?practiceIds=${practice.id}&eventTypes=patient.created`);
    const refused = await feed(locked);
    expect([refused.status, refused.body.code]).toEqual([503, 'data_locked']);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect((await feed(open)).status).toBe(200);
    const stream = `/v1/endpoints/${ofLocked.id}/events?after=0`;
    expect((await hub.api('GET', stream)).body.code).toBe('data_locked');

    await giveKey();
    await eventually(() => expect(versionsAt(ofLocked, locked)).toEqual([1, 2, 3, 4]), 20_000);
    await eventually(() => {
      expect(versionsAt(ofBoth, locked)).toEqual([1, 2, 3, 4]);
      expect(versionsAt(ofBoth, open)).toEqual([1, 2, 3, 4, 5]);
    }, 20_000);
    for (const subscriber of [ofLocked, ofBoth]) {
      const entries = await eventually(async () => {
        const all = await readStream(hub, subscriber);
        expect(all.every(({ status }) => status === 'delivered')).toBe(true);
        return all;
      });
      expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, i) => i + 1));
    }
    expect((await feed(locked)).status).toBe(200);
    expect(await health()).toMatchObject({ lockedDataKeys: 0 });
  });

  it('a retry waits in its table with those that follow it, and keeps up nobody else', async () => {
    const path = `/retry-${locked.id}`;
    const endpoint = await subscribe(hub, receiver, path, {
      practiceIds: [locked.id, open.id],
      ordering: 'subject',
    });
    let isDown = true;
    receiver.respondWith((_, request) => (request.path === path && isDown ? 500 : 200));
    const waiting = async () => {
      const { rows } = await hub.database.query(
        `select (select count(*)::int from delivery_retries where endpoint_id = $1) as retries,
                (select count(*)::int from delivery_followers where endpoint_id = $1) as followers`,
        [endpoint.id],
      );
      return rows[0];
    };
    await write(locked.id, uuidv7(), [1, 2, 3]);
    await eventually(async () => expect(await waiting()).toEqual({ retries: 1, followers: 2 }));
    await hub.database.query(
      `update delivery_retries set next_attempt_at = clock_timestamp() + interval '4 seconds'`,
    );
    await loseKey();
    isDown = false;
    const before = versionsAt(endpoint, locked);
    await eventually(async () => expect(await health()).toMatchObject({ lockedDataKeys: 1 }));
    await write(open.id, uuidv7(), [1, 2]);
    await eventually(() => expect(versionsAt(endpoint, open)).toEqual([1, 2]));
    expect(await waiting()).toEqual({ retries: 1, followers: 2 });
    expect(versionsAt(endpoint, locked)).toEqual(before);
    await giveKey();
    await eventually(
      () => expect(versionsAt(endpoint, locked)).toEqual([...before, 1, 2, 3]),
      20_000,
    );
    await eventually(async () => expect(await waiting()).toEqual({ retries: 0, followers: 0 }));
  });
});
