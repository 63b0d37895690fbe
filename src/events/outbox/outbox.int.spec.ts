import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7, version } from 'uuid';
import { openBusStage, type BusStage } from '../../../test/support/bus-stage.js';
import { readEvents } from '../../../test/support/sealed.js';
import { catalog } from '../catalog/catalog.js';
import { EventTooLarge, mostDataBytes, type AnyNewEvent } from './outbox.js';
import { SchemaViolation } from './validate.js';

let stage: BusStage;
const practiceId = uuidv7();
const cause = { actor: 'applications/7', correlationId: 'c', causationId: 'b', traceparent: 't' };

beforeAll(async () => {
  stage = await openBusStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.database.query('delete from events'));

function created(more: object = {}, time?: Date): AnyNewEvent {
  const data = { ...catalog['patient.created'].example, ...more };
  return { type: 'patient.created', practiceId, subjectId: 's', subjectVersion: 3, data, time };
}

const say = (...events: AnyNewEvent[]) =>
  stage.transactions.run([practiceId], (tx) => stage.outbox.append(tx, cause, events));

const rows = () => readEvents(stage.database);

describe('the outbox', () => {
  it('writes all that an event is', async () => {
    const time = new Date('2026-03-08T14:30:00.123Z');
    const [id] = await say(created({ givenName: 'Grace' }, time));
    expect(version(id!)).toBe(7);
    const [row] = await rows();
    expect(row).toMatchObject({
      id,
      type: 'patient.created',
      type_version: catalog['patient.created'].version,
      practice_id: practiceId,
      source: `/practices/${practiceId}`,
      subject: 'patients/s',
      subject_version: 3,
      time,
      actor: 'applications/7',
      correlation_id: 'c',
      causation_id: 'b',
      traceparent: 't',
    });
    expect(row!.data).toEqual({ ...catalog['patient.created'].example, givenName: 'Grace' });
  });

  it("takes the database's clock where an event tells no time", async () => {
    const { rows: clock } = await stage.database.query(
      'select clock_timestamp()::timestamptz(3) as now',
    );
    await say(created());
    const [row] = await rows();
    expect(row!.time.getTime()).toBeGreaterThanOrEqual(clock[0].now.getTime());
  });

  it('keeps the order of many events in their numbers, and answers their ids in that order', async () => {
    const names = Array.from({ length: 200 }, (_, i) => `patient ${i}`);
    const ids = await say(...names.map((givenName) => created({ givenName })));
    const written = await rows();
    expect(written.map(({ data }) => data.givenName)).toEqual(names);
    expect(written.map(({ id }) => id)).toEqual(ids);
  });

  it('writes nothing for no events', async () => {
    expect(await say()).toEqual([]);
    expect(await rows()).toEqual([]);
  });

  it('shares the fate of its transaction', async () => {
    const failing = stage.transactions.run([practiceId], async (tx) => {
      await stage.outbox.append(tx, cause, [created()]);
      throw new Error('the fact did not come true');
    });
    await expect(failing).rejects.toThrow('the fact did not come true');
    expect(await rows()).toEqual([]);
  });

  it('refuses data that does not match its type, without repeating any of it', async () => {
    const wrong = created({ kind: 'Ada Byrne', givenName: 42 as never });
    const refusal = say(created(), wrong);
    await expect(refusal).rejects.toThrow(SchemaViolation);
    await expect(refusal).rejects.toThrow(/patient\.created.*\/kind/);
    await expect(refusal).rejects.not.toThrow(/Ada Byrne/);
    expect(await rows()).toEqual([]);
  });

  it('refuses data without a required field', async () => {
    await expect(say(created({ patientId: undefined }))).rejects.toThrow(/patientId/);
  });

  it('refuses an event that a broker would refuse later, measured in bytes', async () => {
    const empty = Buffer.byteLength(
      JSON.stringify({ ...catalog['patient.created'].example, givenName: '' }),
    );
    const room = mostDataBytes - empty;
    await say(created({ givenName: 'a'.repeat(room) }));
    await expect(say(created({ givenName: 'a'.repeat(room + 1) }))).rejects.toThrow(EventTooLarge);
    // Half as many characters, of two bytes each.
    await expect(say(created({ givenName: 'é'.repeat(room / 2 + 1) }))).rejects.toThrow(
      EventTooLarge,
    );
    expect(await rows()).toHaveLength(1);
  });
});
