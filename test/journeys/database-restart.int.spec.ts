import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { describeOnBothBuses } from '../support/buses.js';
import { eventually } from '../support/eventually.js';
import { aPractice } from '../support/factories-patients.js';
import { startTestHub, type TestHub } from '../support/start-hub.js';
import { expectWholeStream, subscribe } from '../support/streams.js';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.js';

const facts = 120;
const clients = 6;

/*
 * To the hub a restart of PostgreSQL is this: every connection it has breaks at once, whatever is under way on it.
 */
describeOnBothBuses('a hub whose database connections break', (bus) => {
  let hub: TestHub;
  let receiver: WebhookReceiver;
  beforeAll(async () => {
    [hub, receiver] = await Promise.all([
      startTestHub({ settings: bus.settings() }),
      startWebhookReceiver(),
    ]);
  });
  afterAll(() => Promise.all([hub?.close(), receiver?.close()]));

  async function breakConnections(): Promise<number> {
    const { rowCount } = await hub.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'practice-event-hub%'`,
    );
    return rowCount!;
  }

  it('does each fact once that is asked for again until it is answered, and delivers it', async () => {
    const partner = await subscribe(hub, receiver);
    const practices = await Promise.all(Array.from({ length: 3 }, () => aPractice(hub)));
    let [asked, broken] = [0, 0];
    const refusals = new Set<string>();
    const done: string[] = [];
    const client = async () => {
      while (asked < facts) {
        const path = `/v1/practices/${practices[asked % 3]!.id}/patients`;
        const body = { kind: 'human', givenName: 'Ada', familyName: String(asked) };
        asked += 1;
        const key = { 'idempotency-key': uuidv7() };
        done.push(
          await eventually(async () => {
            const answer = await hub.api('POST', path, body, key);
            if (answer.status === 201) return answer.body.id;
            refusals.add(`${answer.status} ${answer.body.code}`);
            throw new Error('not yet');
          }),
        );
        if (done.length % 20 === 0) broken += await breakConnections();
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    expect(broken).toBeGreaterThan(10);
    expect([...refusals]).toEqual(['503 temporarily_unavailable']);

    // The feed shows what is settled, and others write in the same cluster: what is whole may not be all of it yet.
    await eventually(async () => {
      const events = await expectWholeStream(hub, partner);
      const created = events.filter(({ type }) => type === 'patient.created');
      expect(created.map(({ data }) => data.patientId).sort()).toEqual(done.sort());
    }, 30_000);
    await eventually(async () => {
      const { body } = await hub.api('GET', '/health/ready');
      expect(body).toMatchObject({ status: 'up', parkedEvents: 0 });
    });
  });
});
