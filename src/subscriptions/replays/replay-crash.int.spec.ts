import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { eventually } from '../../../test/support/eventually.js';
import { aPatient, aPractice } from '../../../test/support/factories-patients.js';
import { openHubStage, type HubStage } from '../../../test/support/hub-process.js';
import { arrivalsOf, readFeed, readStream, subscribe } from '../../../test/support/streams.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';

jest.setTimeout(120_000);

let stage: HubStage;
let receiver: WebhookReceiver;

beforeAll(async () => {
  [stage, receiver] = await Promise.all([openHubStage(), startWebhookReceiver()]);
});
afterAll(async () => {
  await stage.close();
  await receiver.close();
});

it('goes on where a hub was killed, and gives no event two numbers', async () => {
  let hub = await stage.startHub();
  const practice = await aPractice(hub);
  for (let nth = 0; nth < 40; nth++) await aPatient(hub, practice);
  await eventually(async () => {
    const { rows } = await stage.database.query(
      `select from consumer_cursors as c, events as e
       where (e.generation, e.xact_id, e.seq) > (c.generation, c.xact_id, c.seq)`,
    );
    expect(rows).toEqual([]);
  });
  // Only now: the feed shows what is settled, and others write in the same cluster.
  const events = await readFeed(hub);
  const partner = await subscribe(hub, receiver);
  const replays = `/v1/endpoints/${partner.id}/replays`;
  const { body } = await hub.api('POST', replays, { missing: true, ratePerSecond: 40 });
  expect(body.state).toBe('collecting');

  for (const nth of [1, 10, 40]) {
    await receiver.waitForCount(nth);
    await hub.kill();
    hub = await stage.startHub();
  }
  await eventually(async () => {
    const replay = (await hub.api('GET', `${replays}/${body.id}`)).body;
    expect(replay).toMatchObject({
      state: 'completed',
      matched: events.length,
      sent: events.length,
    });
  }, 60_000);
  await eventually(async () => {
    const stream = await readStream(hub, partner);
    expect(stream.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
    expect(stream.map(({ eventId }) => eventId)).toEqual(events.map(({ id }) => id));
    expect(stream.filter(({ status }) => status !== 'delivered')).toEqual([]);
  }, 60_000);
  // What had arrived when a hub was killed may come again, under the same number.
  const numbers = new Map(arrivalsOf(partner).map(({ event }) => [event.id, event.hubsequence]));
  expect([...numbers]).toEqual(
    expect.arrayContaining(events.map(({ id }, i) => [id, String(i + 1)])),
  );
  expect(numbers.size).toBe(events.length);
});

it('looks anew for what a hub was looking for when it died', async () => {
  const hub = await stage.startHub();
  const partner = await subscribe(hub, receiver, '/again');
  // What the hub said of the other endpoint is not among what this one wants.
  const events = (await readFeed(hub)).filter(({ type }) => !type.startsWith('endpoint.'));
  // What the dead one had found so far: something that is not to be sent.
  const id = uuidv7();
  await stage.database.query(
    `with replay as (
       insert into replays (id, endpoint_id, state, request, missing, rate_per_second, matched, actor, correlation_id)
       values ($1, $2, 'collecting', $3, true, 1000, 9000, 'operator', 'a-spec') returning id
     )
     insert into replay_items (replay_id, place, event_id)
     select replay.id, n, gen_random_uuid() from replay, generate_series(1, 9000) as n`,
    [id, partner.id, { from: null, to: null, eventTypes: null, status: ['dead'] }],
  );
  await eventually(async () => {
    const { body } = await hub.api('GET', `/v1/endpoints/${partner.id}/replays/${id}`);
    expect(body).toMatchObject({
      state: 'completed',
      matched: events.length,
      sent: events.length,
    });
  });
  expect(await readStream(hub, partner)).toHaveLength(events.length);
});
