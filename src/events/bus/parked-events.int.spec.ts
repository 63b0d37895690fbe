import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import {
  effectsOf,
  openBusStage,
  type BusHub,
  type BusStage,
} from '../../../test/support/bus-stage.js';
import { eventually } from '../../../test/support/eventually.js';
import { runCommand } from '../../../test/support/run-command.js';
import { HeadKey } from '../../audit/head-key.js';
import { readSettings } from '../../platform/settings.js';
import { BatchTaken, claimBatch } from './claim.js';
import type { EventBatch } from './event-bus.js';
import { ParkedEvents } from './parked-events.js';

let stage: BusStage;
let hub: BusHub;
let parked: ParkedEvents;

beforeAll(async () => {
  stage = await openBusStage();
  hub = stage.startHub();
  parked = new ParkedEvents(hub.pool);
});
afterAll(() => stage.close());
beforeEach(() =>
  stage.database.query('delete from parked_events; delete from effects; delete from events'),
);

/** Events that a group has put aside, as `claimBatch` leaves them. */
async function park(count: number, redrive: boolean): Promise<string[]> {
  const ids = await stage.emit(uuidv7(), count);
  await stage.database.query(
    `insert into parked_events (consumer_group, event_id, generation, xact_id, seq, reason, redrive)
     select 'a', id, generation, xact_id, seq, 'TypeError', $1 from events`,
    [redrive],
  );
  return ids;
}

const rows = async () =>
  (await stage.database.query('select event_id, redrive, reason from parked_events order by seq'))
    .rows;
const effectIds = async () => (await stage.effects('a')).map(({ eventId }) => eventId);

describe('parked events', () => {
  it('are driven once more where that was asked for, in their order, and are gone then', async () => {
    const ids = await park(3, true);
    await parked.redrive('b', 'log', effectsOf(hub));
    expect(await rows()).toHaveLength(3);
    await parked.redrive('a', 'log', effectsOf(hub));
    expect(await effectIds()).toEqual(ids);
    expect(await rows()).toEqual([]);
  });

  it('stay where nobody asked', async () => {
    await park(1, false);
    await parked.redrive('a', 'log', effectsOf(hub));
    expect(await rows()).toHaveLength(1);
  });

  it('stay, and wait to be asked again, where they fail again', async () => {
    const [first, second] = await park(2, true);
    const before = ({ events }: EventBatch) => {
      if (events[0]!.id === first) throw new RangeError('still');
    };
    await parked.redrive('a', 'log', effectsOf(hub, { before }));
    expect(await effectIds()).toEqual([second]);
    expect(await rows()).toEqual([
      { event_id: first, redrive: false, reason: 'RangeError (again, when driven once more)' },
    ]);
  });

  it('have one effect when two hubs drive them at once, and do not come back', async () => {
    await park(5, true);
    const other = stage.startHub();
    const drive = (each: BusHub) => parked.redrive('a', 'log', effectsOf(each));
    await Promise.all([drive(hub), drive(other), drive(hub)]);
    expect((await effectIds()).toSorted()).toEqual([...new Set(await effectIds())].toSorted());
    expect(await effectIds()).toHaveLength(5);
    expect(await rows()).toEqual([]);
  });

  it('are parked if and only if the cursor has passed them', async () => {
    const [id] = await stage.emit(uuidv7());
    const [event] = await hub.log.headersOf([id!]);
    const batch: EventBatch = {
      group: 'never-began',
      bus: 'log',
      partition: 0,
      after: event!.position,
      through: event!.position,
      events: [],
      parked: [{ event: event!, reason: 'unknown' }],
    };
    const claim = hub.pool.transaction((client) => claimBatch(client, batch));
    await expect(claim).rejects.toThrow(BatchTaken);
    expect(await rows()).toEqual([]);
  });
});

describe('the command parked', () => {
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'hub-parked-'));
    // As a hub does at its start: a command makes no key.
    await HeadKey.load(readSettings({ HUB_DATA_DIR: dataDir }));
  });
  afterAll(() => rm(dataDir, { recursive: true }));

  const run = (...args: string[]) =>
    runCommand('parked', args, { DATABASE_URL: stage.url, HUB_DATA_DIR: dataDir });

  it('lists what is parked, and asks for another try of one or all', async () => {
    expect((await run('list')).output).toBe('No event is parked.\n');
    const [first, second] = await park(2, false);
    const { output } = await run('list');
    expect(output).toMatch(new RegExp(`^${first}  .*  a  patient\\.created patients/.* practice`));
    expect(output).toMatch(/\n {4}TypeError\n/);
    expect(output).toMatch(/\n2 parked\.\n$/);

    expect((await run('redrive', second!)).output).toMatch(/^1 to be tried again/);
    expect(await rows()).toMatchObject([{ redrive: false }, { redrive: true }]);
    expect((await run('redrive')).output).toMatch(/^2 to be tried again/);
    await hub.bus.subscribe('a', effectsOf(hub));
    await eventually(async () => expect(await rows()).toEqual([]));
  });

  it('says what is wrong with what it was asked', async () => {
    expect(await run('redrive', 'x')).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/UUID/),
    });
    expect(await run('redrive', uuidv7())).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^No parked event/),
    });
    expect(await run('lst')).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^There is no command lst\.\n\n[^]*redrive/),
    });
  });
});
