import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { describeOnBothBuses } from '../support/buses.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { openHubStage, type HubProcess, type HubStage } from '../support/hub-process.js';
import { arrivalsOf, expectWholeStream, subscribe, type Subscriber } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

jest.setTimeout(180_000);

const seed = 20_260_308;
const rounds = 4;
const factsOfRound = 30;

/*
 * kill -9 at the moments that matter, again and again while events flow: after a transaction and before the
 * acknowledgement that belongs to it. No endpoint's sequence may have a gap or a repetition afterwards.
 */
describeOnBothBuses('a hub that dies between its transaction and its acknowledgement', (bus) => {
  let stage: HubStage;
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    [stage, receiver] = await Promise.all([openHubStage(bus.settings()), startWebhookReceiver()]);
  });
  afterAll(async () => {
    await stage?.close();
    await receiver?.close();
  });

  /** Kills the hub with the `nth` webhook from now: the partner has it, and the hub does not know yet. */
  function dieAtWebhook(hub: HubProcess, nth: number): Promise<void> {
    return new Promise((resolve, reject) => {
      receiver.respondWith((n) => {
        if (n === nth) hub.kill().then(resolve, reject);
        return 200;
      });
    });
  }

  /** Kills the hub with the `nth` batch from now whose deliveries are committed, and the bus not told so yet. */
  async function dieAtFanOut(hub: HubProcess, nth: number): Promise<void> {
    const client = await stage.database.connect();
    try {
      await client.query('listen moved');
      await new Promise<void>((resolve, reject) => {
        let moves = 0;
        client.on('notification', () => {
          if (++moves === nth) hub.kill().then(resolve, reject);
        });
      });
    } finally {
      client.removeAllListeners('notification');
      client.release(true);
    }
  }

  it('leaves no gap and no repetition in any stream', async () => {
    // Tells of every move of a consumer's cursor, at the commit of its transaction.
    await stage.database.query(`
      create function tell() returns trigger language plpgsql as $$ begin notify moved; return null; end $$;
      create trigger tell after update on consumer_cursors for each row execute function tell()`);
    const random = randomFrom(seed);
    const upTo = (most: number) => 1 + Math.floor(random() * most);
    const partners: Subscriber[] = [];
    const answered: string[] = [];
    let hub = await stage.startHub();
    for (const path of ['/one', '/two', '/three']) {
      partners.push(await subscribe(hub, receiver, path));
    }
    const practices = await Promise.all(Array.from({ length: 5 }, () => aPractice(hub)));
    const fact = async (at: HubProcess, nth: number) => {
      const { id } = await aPatient(at, practices[nth % practices.length]!);
      answered.push(id);
      return id;
    };
    const makeFactsUntil = async (death: Promise<void>, at: HubProcess) => {
      const dead = death.then(() => true);
      await Promise.allSettled(Array.from({ length: factsOfRound }, (_, nth) => fact(at, nth)));
      // A batch may hold many of them, so that there were too few: one by one, each a batch of its own.
      for (;;) {
        const id = await fact(at, 0).catch(() => undefined);
        const arrival = receiver
          .waitFor(({ event }) => event.subject === `patients/${id}`)
          .catch(() => undefined);
        if (await Promise.race([dead, arrival.then(() => false)])) return;
      }
    };

    for (let round = 0; round < rounds; round += 1) {
      const dies =
        round % 2 === 0 ? dieAtWebhook(hub, upTo(2 * factsOfRound)) : dieAtFanOut(hub, upTo(3));
      await makeFactsUntil(dies, hub);
      hub = await stage.startHub();
    }

    for (const partner of partners) {
      const events = await expectWholeStream(hub, partner, 60_000);
      const patients = events.map(({ data }) => data.patientId);
      expect(patients).toEqual(expect.arrayContaining(answered));
    }
    // What a partner had when the hub died is sent again: at least once, and under the same number.
    const stream = await expectWholeStream(hub, partners[0]!);
    const arrivals = partners.flatMap(arrivalsOf);
    expect(arrivals.length).toBeGreaterThanOrEqual(3 * stream.length + rounds / 2);
  });
});

/** Numbers in [0, 1), the same ones every time (mulberry32). */
function randomFrom(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
