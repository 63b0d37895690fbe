import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { describeOnBothBuses } from '../../../test/support/buses.js';
import { emitPatientCreated } from '../../../test/support/emit.js';
import { eventually } from '../../../test/support/eventually.js';
import { aPatient, aPractice } from '../../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import {
  arrivalsOf,
  readStream,
  subscribe,
  type Subscriber,
} from '../../../test/support/streams.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';
import { partitionOf } from '../../events/bus/partition-of.js';
import { fanOutGroup } from '../fanout/fan-out.service.js';

jest.setTimeout(120_000);

describeOnBothBuses('a replay of what is missing', (bus) => {
  let hub: TestHub;
  let receiver: WebhookReceiver;
  let practice: { id: string };
  let path: string;

  beforeAll(async () => {
    [hub, receiver] = await Promise.all([
      startTestHub({ settings: bus.settings() }),
      startWebhookReceiver(),
    ]);
  });
  afterAll(async () => {
    await hub.close();
    await receiver.close();
  });
  beforeEach(async () => {
    practice = await aPractice(hub);
    path = `/${uuidv7()}`;
  });

  /** Every event of some practices, in log order. */
  async function logged(practiceIds: string[]): Promise<string[]> {
    const { rows } = await hub.database.query(
      `select id from events where practice_id = any ($1) order by generation, xact_id, seq`,
      [practiceIds],
    );
    return rows.map(({ id }) => id);
  }

  /** Until fan-out stands at or beyond every event of a practice. */
  async function fannedOut(practiceId: string): Promise<void> {
    const partition = bus.kind === 'log' ? 0 : partitionOf(practiceId, 4);
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select count(*)::int as behind
         from events as e left join consumer_cursors as c
           on c.consumer_group = $1 and c.bus = $2 and c.partition = $3
         where e.practice_id = $4
           and (c.bus is null or (e.generation, e.xact_id, e.seq) > (c.generation, c.xact_id, c.seq))`,
        [fanOutGroup, bus.kind, partition, practiceId],
      );
      expect(rows).toEqual([{ behind: 0 }]);
    });
  }

  async function change(partner: Subscriber, input: object): Promise<void> {
    const { status } = await hub.api('PATCH', `/v1/endpoints/${partner.id}`, input, {
      'if-match': '*',
    });
    expect(status).toBe(200);
  }

  async function count(partner: Subscriber, body: object = {}): Promise<object> {
    const answer = await hub.api('POST', `/v1/endpoints/${partner.id}/replays`, {
      missing: true,
      dryRun: true,
      ...body,
    });
    expect(answer.status).toBe(200);
    return answer.body;
  }

  async function replayed(partner: Subscriber): Promise<any> {
    const replays = `/v1/endpoints/${partner.id}/replays`;
    const { status, body } = await hub.api('POST', replays, { missing: true, ratePerSecond: 1000 });
    expect(status).toBe(201);
    return eventually(async () => {
      const replay = (await hub.api('GET', `${replays}/${body.id}`)).body;
      expect(replay.state).toBe('completed');
      return replay;
    });
  }

  /** Everything the partner should have is in its stream once, under numbers without gaps, and has arrived. */
  async function expectWhole(partner: Subscriber, events: string[]): Promise<void> {
    await eventually(async () => {
      const stream = await readStream(hub, partner);
      expect(stream.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
      expect(stream.map(({ eventId }) => eventId).sort()).toEqual([...events].sort());
      expect(stream.filter(({ status }) => status !== 'delivered')).toEqual([]);
    });
    const arrived = new Set(arrivalsOf(partner).map(({ event }) => event.id));
    expect([...arrived].sort()).toEqual([...events].sort());
  }

  it('brings what there was before the endpoint, while it was disabled, and beside what it asked for; once', async () => {
    await aPatient(hub, practice);
    await fannedOut(practice.id);
    const partner = await subscribe(hub, receiver, path, {
      practiceIds: [practice.id],
      eventTypes: ['patient.*'],
    });
    await aPatient(hub, practice);
    await eventually(async () => {
      expect(await readStream(hub, partner)).toMatchObject([{ sequence: 1, status: 'delivered' }]);
    });
    await change(partner, { enabled: false });
    await aPatient(hub, practice);
    await fannedOut(practice.id);
    expect(await count(partner)).toEqual({ dryRun: true, matched: 2, deliveries: 0, events: 2 });
    await change(partner, { enabled: true, eventTypes: ['*'] });

    const events = await logged([practice.id]);
    const missing = events.length - 1;
    expect(await count(partner)).toMatchObject({ matched: missing, deliveries: 0 });
    expect(await count(partner, { eventTypes: ['account.*'] })).toMatchObject({ matched: 3 });
    const replay = await replayed(partner);
    expect(replay).toMatchObject({ matched: missing, sent: missing, missing: true });
    await expectWhole(partner, events);
    // In log order, and said to be of a replay.
    const stream = (await readStream(hub, partner)).slice(1);
    const first = arrivalsOf(partner)[0]!.event.id;
    expect(stream.map(({ eventId }) => eventId)).toEqual(events.filter((id) => id !== first));
    const marks = arrivalsOf(partner).map(({ headers }) => headers['hub-replay']);
    expect(marks).toEqual([undefined, ...Array(missing).fill(replay.id)]);

    expect(await count(partner)).toMatchObject({ matched: 0 });
    expect(await replayed(partner)).toMatchObject({ matched: 0, sent: 0 });
    // Live events go on behind it.
    await aPatient(hub, practice);
    await eventually(async () => {
      expect(await readStream(hub, partner)).toHaveLength(events.length + 2);
    });
  });

  it('brings dead letters too', async () => {
    const partner = await subscribe(hub, receiver, path, {
      practiceIds: [practice.id],
      eventTypes: ['patient.*'],
    });
    const events = await emitPatientCreated(hub, practice.id, 2);
    await expectWhole(partner, events);
    await hub.database.query(
      `update deliveries set status = 'dead' where endpoint_id = $1 and sequence = 2`,
      [partner.id],
    );
    expect(await count(partner)).toMatchObject({ deliveries: 1 });
    await replayed(partner);
    await eventually(async () => {
      const [, , second] = arrivalsOf(partner).filter(({ event }) => events.includes(event.id));
      expect(second?.headers['hub-sequence']).toBe('2');
    });
    await expectWhole(partner, events);
  });

  it('leaves to fan-out what that will still handle', async () => {
    const other = await inAnotherPartition(practice);
    const ids = [practice.id, other.id];
    await Promise.all(ids.map(fannedOut));
    const partner = await subscribe(hub, receiver, path, {
      practiceIds: ids,
      eventTypes: ['patient.*'],
      enabled: false,
    });
    const release = await holdUp(practice.id);
    let late: string[];
    let early: string[];
    try {
      late = await emitPatientCreated(hub, practice.id, 3);
      early = await emitPatientCreated(hub, other.id, 3);
      // Fan-out has passed the second practice where it lies in another partition, while the first one waits.
      if (bus.kind === 'kafka') await fannedOut(other.id);
      await change(partner, { enabled: true });
      const matched = bus.kind === 'kafka' ? early.length : 0;
      expect(await count(partner)).toMatchObject({ matched });
      expect(await replayed(partner)).toMatchObject({ matched, sent: matched });
    } finally {
      await release();
    }
    await expectWhole(partner, [...late, ...early]);
    expect(await count(partner)).toMatchObject({ matched: 0 });
  });

  it('leaves to fan-out what it has put aside', async () => {
    const partner = await subscribe(hub, receiver, path, {
      practiceIds: [practice.id],
      eventTypes: ['patient.*'],
      enabled: false,
    });
    const [parked] = await emitPatientCreated(hub, practice.id, 2);
    await fannedOut(practice.id);
    await hub.database.query(
      `insert into parked_events (consumer_group, event_id, generation, xact_id, seq, reason)
       select $1, id, generation, xact_id, seq, 'a test' from events where id = $2`,
      [fanOutGroup, parked],
    );
    expect(await count(partner)).toMatchObject({ matched: 1 });
  });

  async function inAnotherPartition(than: { id: string }): Promise<{ id: string }> {
    for (;;) {
      const found = await aPractice(hub);
      if (partitionOf(found.id, 4) !== partitionOf(than.id, 4)) return found;
    }
  }

  /** Fan-out cannot take the practice's next batch, and tries again; other partitions of Kafka go on. */
  async function holdUp(practiceId: string): Promise<() => Promise<void>> {
    await hub.database.query(`
      create function hold_up() returns trigger language plpgsql as $$
      begin raise exception 'held up' using errcode = 'cannot_connect_now'; end $$;
      create trigger hold_up before update on consumer_cursors for each row
      when (old.consumer_group = '${fanOutGroup}'
            and (old.bus = 'log' or old.partition = ${partitionOf(practiceId, 4)}))
      execute function hold_up()`);
    return async () => {
      await hub.database.query('drop trigger hold_up on consumer_cursors; drop function hold_up()');
    };
  }
});
