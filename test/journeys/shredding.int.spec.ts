import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DataKeys } from '../../src/sealing/data-keys.js';
import { keyStatus } from '../../src/sealing/key-care.js';
import { emitPatientCreated } from '../support/emit.js';
import { eventually } from '../support/eventually.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { runCommand } from '../support/run-command.js';
import { testMasterKey } from '../support/sealed.js';
import { startTestHub, testDataDir, type TestHub } from '../support/start-hub.js';
import { streamHash } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

/*
 * A practice leaves: with its keys its history goes, from a running hub and from every copy of the tables, while its
 * neighbour notices nothing.
 */
let hub: TestHub;
let receiver: WebhookReceiver;
let leaving: { id: string };
let staying: { id: string };

beforeAll(async () => {
  hub = await startTestHub({ settings: { HUB_CIRCUIT_PAUSE_SECONDS: '1' } });
  receiver = await startWebhookReceiver();
  leaving = await aPractice(hub);
  staying = await aPractice(hub);
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

async function keys(...args: string[]): Promise<{ code: number | null; output: string }> {
  const { code, output, errors } = await runCommand('keys', args, {
    DATABASE_URL: hub.databaseUrl,
    HUB_MASTER_KEY: testMasterKey,
    HUB_DATA_DIR: testDataDir,
  });
  return { code, output: output + errors };
}

async function listen(path: string): Promise<{ id: string }> {
  const url = `${receiver.url}${path}`;
  const endpoint = { url, eventTypes: ['patient.created'], retrySchedule: 'quick' };
  const { body } = await hub.api('POST', '/v1/endpoints', endpoint);
  receiver.setSecret(body.secret, path);
  return body;
}

const deliveriesOf = async ({ id }: { id: string }) =>
  (await hub.api('GET', `/v1/endpoints/${id}/deliveries?limit=200`)).body.data as {
    id: string;
    practiceId: string;
    status: string;
    withheldReason: string | null;
  }[];

const ofEach = <T extends { practiceId: string }>(all: T[], { id }: { id: string }): T[] =>
  all.filter(({ practiceId }) => practiceId === id);

it('makes a practice that leaves unreadable, here and in what is still to be sent', async () => {
  const [good, down] = [await listen('/good'), await listen('/down')];
  receiver.respondWith((_, { path }) =>
    path === '/down' ? { status: 500, body: 'Ada could not be stored' } : { status: 204 },
  );
  const key = { 'idempotency-key': 'one-patient' };
  const patient = { kind: 'human', givenName: 'Ada' };
  const patients = (practice: { id: string }) => `/v1/practices/${practice.id}/patients`;
  await hub.api('POST', patients(leaving), patient, key);
  for (const practice of [leaving, staying]) await aPatient(hub, practice);
  // More than a lane holds while its circuit is open: they wait in memory, in the tables, and for another attempt.
  await emitPatientCreated(hub, leaving.id, 50);
  await emitPatientCreated(hub, staying.id, 50);
  await eventually(async () => {
    const delivered = (await deliveriesOf(good)).filter(({ status }) => status === 'delivered');
    expect(delivered).toHaveLength(103);
    expect((await deliveriesOf(down)).some(({ status }) => status === 'failed')).toBe(true);
  }, 30_000);
  const { lastSequence } = (await hub.api('GET', `/v1/endpoints/${good.id}`)).body;
  const manifest = async () =>
    (await hub.api('GET', `/v1/endpoints/${good.id}/manifest?toSequence=${lastSequence}`)).body;
  const before = await manifest();

  const preview = await keys('shred', '--practice', leaving.id);
  expect(preview).toMatchObject({ code: 1, output: expect.stringContaining('--yes') });
  expect(await keys('shred', '--practice', leaving.id, '--yes')).toMatchObject({ code: 0 });

  // What waits is withheld when its turn comes, and the neighbour's goes out.
  await eventually(async () => {
    const { data } = (await hub.api('GET', '/v1/events?limit=200')).body;
    expect(data.some(({ hubwithheld }: any) => hubwithheld)).toBe(true);
  });
  receiver.respondWith(() => ({ status: 204 }));
  await eventually(async () => {
    const all = await deliveriesOf(down);
    const states = (practice: { id: string }) =>
      ofEach(all, practice).map((each) => each.withheldReason ?? each.status);
    expect(new Set(states(leaving))).toEqual(new Set(['erased']));
    expect(new Set(states(staying))).toEqual(new Set(['delivered']));
  }, 60_000);

  // The feed has its events without what they said; the endpoint's stream says why, and its manifest as well.
  const feed = (await hub.api('GET', '/v1/events?limit=200&eventTypes=patient.created')).body.data;
  for (const event of feed) {
    if (event.practiceid === leaving.id) {
      expect(event).toMatchObject({ hubwithheld: 'erased' });
      expect(event).not.toHaveProperty('data');
    } else expect(event.data).toHaveProperty('givenName');
  }
  expect(feed.filter(({ hubwithheld }: any) => hubwithheld).length).toBe(52);
  const one = feed.find(({ practiceid }: any) => practiceid === leaving.id);
  expect((await hub.api('GET', `/v1/events/${one.id}`)).body.hubwithheld).toBe('erased');
  const stream = (await hub.api('GET', `/v1/endpoints/${good.id}/events?limit=200`)).body.data;
  expect(stream.filter(({ withheld }: any) => withheld === 'erased')).toHaveLength(52);
  const after = await manifest();
  expect(after.count).toBe(before.count);
  expect(after.hash).toBe(streamHash(stream.slice(0, after.count)));
  const { id: sent } = ofEach(await deliveriesOf(good), leaving)[0]!;
  const resend = await hub.api('POST', `/v1/deliveries/${sent}/resend`);
  expect(resend).toMatchObject({ status: 409, body: { code: 'event_erased' } });
  const all = { eventTypes: ['*'], dryRun: true };
  const replay = (await hub.api('POST', `/v1/endpoints/${good.id}/replays`, all)).body;
  expect(replay.matched).toBe(ofEach(await deliveriesOf(good), staying).length);

  // Nor is what else was kept of it: its answers, and what receivers said.
  const again = await hub.api('POST', patients(leaving), patient, key);
  expect(again).toMatchObject({ status: 410, body: { code: 'answer_erased' } });
  for (const { id } of ofEach(await deliveriesOf(down), leaving).slice(0, 5)) {
    const { attempts } = (await hub.api('GET', `/v1/deliveries/${id}`)).body;
    for (const attempt of attempts) expect(attempt).not.toHaveProperty('response');
  }

  // What happens there from now on is readable, and what was is not.
  await emitPatientCreated(hub, leaving.id, 1);
  await receiver.waitFor(
    ({ path, event }) => path === '/good' && Number(event.hubsequence) > lastSequence,
  );
  const { destroyed } = await keyStatus(hub.database as never);
  expect(destroyed).toBe(1);
  await hub.app.get(DataKeys).prepare([leaving.id]);
  const status = await keys('status');
  expect(status.output).toMatch(/1 destroyed/);
}, 180_000);

it('tells how to use it where it is used wrongly, and changes nothing', async () => {
  for (const args of [[], ['shred'], ['shred', '--practice', 'x', '--yes'], ['rotate', '--yes']]) {
    const { code, output } = await keys(...args);
    expect(code).toBe(1);
    expect(output).toMatch(/--practice/);
  }
  expect((await keys('--help')).code).toBe(0);
});
