import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { createEmptyDatabase } from './support/postgres.js';
import { startCommand } from './support/run-command.js';
import { testMasterKey } from './support/sealed.js';

/** Each start of a command compiles it first, which takes seconds on a busy machine. */
jest.setTimeout(120_000);

let database: Awaited<ReturnType<typeof createEmptyDatabase>>;

beforeAll(async () => {
  database = await createEmptyDatabase();
});
afterAll(() => database.drop());

const anybody = crypto.randomUUID();

it.each([
  ['scripts/audit.ts', ['export']],
  ['scripts/keys.ts', ['status']],
  ['scripts/parked.ts', ['list']],
  ['scripts/erase.ts', ['--practice', anybody, '--patient', anybody, '--dry-run']],
])('%s says of a database that no hub has been on what it lacks', async (script, args) => {
  const { ended, progress } = startCommand(script, args, {
    DATABASE_URL: database.url,
    HUB_MASTER_KEY: testMasterKey,
  });
  expect((await ended).code).toBeGreaterThan(0);
  expect(progress().trim()).toBe(
    'The database lacks tables of this version. Start a hub of it there first.',
  );
});
