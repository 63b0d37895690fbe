import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { MasterKeyMissing } from '../../sealing/master-keys.js';
import { BatchTaken } from './claim.js';
import { consume } from './consume.js';
import { UnhandleableEvent, type BatchHandler, type EventBatch } from './event-bus.js';

const at = (seq: number) => ({ generation: 1, xactId: '9', seq: String(seq) });

function batchOf(...ids: string[]): EventBatch {
  const events = ids.map((id, i) => ({
    id,
    type: 'patient.created',
    practiceId: 'p',
    patientId: '1',
    accountId: null,
    subject: 'patients/1',
    actor: 'operator',
    position: at(i + 1),
  }));
  return { group: 'g', bus: 'log', partition: 0, after: at(0), through: at(ids.length), events };
}

/** A group as the database sees it: a cursor, the events handled and the events parked. */
class Group {
  cursor = at(0);
  calls = 0;
  readonly handled: string[] = [];
  readonly parked: Record<string, string> = {};

  constructor(private readonly fail: (ids: string[]) => void) {}

  readonly handler: BatchHandler = async ({ after, through, events, parked = [] }) => {
    this.calls += 1;
    if (after.seq !== this.cursor.seq) throw new BatchTaken();
    const ids = events.map(({ id }) => id);
    this.fail(ids);
    this.cursor = through;
    this.handled.push(...ids);
    for (const { event, reason } of parked) this.parked[event.id] = reason;
  };
}

function databaseError(code: string): Error {
  const error = new pg.DatabaseError('Ada Byrne is not unique', 1, 'error');
  error.code = code;
  return error;
}

describe('consuming a batch', () => {
  it('hands it over once when all is well', async () => {
    const group = new Group(() => undefined);
    await consume(batchOf('a', 'b'), group.handler);
    expect(group).toMatchObject({ handled: ['a', 'b'], cursor: at(2), calls: 1, parked: {} });
  });

  it('handles what stands before an event that waits for a master key, and parks nothing', async () => {
    const group = new Group((ids) => {
      if (ids.includes('d')) throw new MasterKeyMissing();
    });
    const consuming = consume(batchOf('a', 'b', 'c', 'd', 'e'), group.handler);
    await expect(consuming).rejects.toBeInstanceOf(MasterKeyMissing);
    expect(group).toMatchObject({ handled: ['a', 'b', 'c'], cursor: at(3), parked: {} });
  });

  it('finds the events that alone make the handler throw, wherever they stand', async () => {
    const group = new Group((ids) => {
      if (ids.some((id) => ['a', 'c', 'd'].includes(id))) throw new TypeError('Ada Byrne');
    });
    await consume(batchOf('a', 'b', 'c', 'd'), group.handler);
    expect(group).toMatchObject({ handled: ['b'], cursor: at(4) });
    expect(group.parked).toEqual({ a: 'TypeError', c: 'TypeError', d: 'TypeError' });
  });

  it('parks a single event only when it fails twice', async () => {
    let failures = 0;
    const once = new Group(() => {
      if (failures++ === 0) throw new Error('a hiccup');
    });
    await consume(batchOf('a'), once.handler);
    expect(once).toMatchObject({ handled: ['a'], parked: {} });

    const always = new Group((ids) => {
      if (ids.length > 0) throw databaseError('22P02');
    });
    await consume(batchOf('a'), always.handler);
    expect(always).toMatchObject({ handled: [], cursor: at(1) });
    expect(always.parked).toEqual({ a: 'error 22P02' });
  });

  it('parks what the handler refuses without a second try, with its reason', async () => {
    const group = new Group((ids) => {
      if (ids.includes('b')) throw new UnhandleableEvent('b', 'of a lost type');
    });
    await consume(batchOf('a', 'b', 'c'), group.handler);
    expect(group).toMatchObject({ handled: ['a', 'c'], calls: 2, cursor: at(3) });
    expect(group.parked).toEqual({ b: 'of a lost type' });
  });

  it('does not go round in circles when the handler refuses an event that is not there', async () => {
    const group = new Group((ids) => {
      if (ids.includes('a')) throw new UnhandleableEvent('x', 'never seen');
    });
    await consume(batchOf('a', 'b'), group.handler);
    expect(group.handled).toEqual(['b']);
    expect(group.parked).toEqual({ a: 'never seen' });
  });

  it('parks nothing when none of several events can be handled: the fault is not theirs', async () => {
    const group = new Group(() => {
      throw new TypeError('the handler itself is broken');
    });
    await expect(consume(batchOf('a', 'b', 'c'), group.handler)).rejects.toThrow(TypeError);
    expect(group).toMatchObject({ cursor: at(0), parked: {} });
  });

  it.each([
    ['the cursor is elsewhere', new BatchTaken()],
    ['a deadlock', databaseError('40P01')],
    ['a read-only standby', databaseError('25006')],
    ['a missing table', databaseError('42P01')],
    ['a full disk', databaseError('53100')],
    [
      'an unreachable host',
      Object.assign(new Error(), { code: 'EHOSTUNREACH', syscall: 'connect' }),
    ],
  ])('leaves the batch for later, unparked, on %s', async (_, error) => {
    const group = new Group(() => {
      throw error;
    });
    await expect(consume(batchOf('a'), group.handler)).rejects.toBe(error);
    expect(group).toMatchObject({ calls: 1, cursor: at(0), parked: {} });
  });

  it('moves the cursor over a stretch without events', async () => {
    const group = new Group(() => undefined);
    await consume({ ...batchOf(), through: at(7) }, group.handler);
    expect(group.cursor).toEqual(at(7));
  });
});
