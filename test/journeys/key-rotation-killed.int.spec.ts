import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { newMasterKey } from '../../src/sealing/master-keys.js';
import { eventually } from '../support/eventually.js';
import { aPractice } from '../support/factories-patients.js';
import { startCommand, type Command } from '../support/run-command.js';
import { testMasterKey } from '../support/sealed.js';
import { startTestHub, testDataDir, type TestHub } from '../support/start-hub.js';

/** The first start of a command may compile the hub, which takes seconds on a busy machine. */
jest.setTimeout(180_000);

let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
  await aPractice(hub);
});
afterAll(() => hub.close());

const masterKeys = `${newMasterKey()},${testMasterKey}`;

function rotate(): Promise<Command> {
  return startCommand('keys', ['rotate'], {
    DATABASE_URL: hub.databaseUrl,
    HUB_MASTER_KEY: masterKeys,
    HUB_DATA_DIR: testDataDir,
  });
}

async function recorded(): Promise<string[]> {
  const { rows } = await hub.database.query(
    `select action from audit_entries where action like 'data_key.%' order by id`,
  );
  return rows.map(({ action }) => action);
}

/** @returns how many there were */
async function endSessions(): Promise<number> {
  const { rows } = await hub.database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'practice-event-hub keys'`,
  );
  return rows.length;
}

it('a rotation that is killed midway is on record, and the next one that it ended', async () => {
  const holder = await hub.database.connect();
  await holder.query('begin');
  await holder.query('select from data_keys for update');
  const killed = await rotate();
  await eventually(
    async () => expect(await recorded()).toEqual(['data_key.rotation_began']),
    90_000,
  );
  killed.child.kill('SIGKILL');
  await killed.ended;
  // Its session waits for the lock and has not noticed: it would go on once it gets it.
  await eventually(async () => expect(await endSessions()).toBe(0));
  await holder.query('rollback');
  holder.release();

  const { code, output } = await (await rotate()).ended;
  expect(code).toBe(0);
  expect(output).toMatch(/^1 data key wrapped anew\.$/m);
  const began = 'data_key.rotation_began';
  expect(await recorded()).toEqual([began, began, 'data_key.rotated']);
  // What the killed one left, a hub has chained.
  await eventually(async () => {
    const { rows } = await hub.database.query('select from audit_unsealed');
    expect(rows).toEqual([]);
  }, 30_000);
});
