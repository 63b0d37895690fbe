import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createEmptyDatabase } from './support/postgres.js';
import { runCommand } from './support/run-command.js';
import { testMasterKey } from './support/sealed.js';

let database: Awaited<ReturnType<typeof createEmptyDatabase>>;

beforeAll(async () => {
  database = await createEmptyDatabase();
});
afterAll(() => database.drop());

const anybody = crypto.randomUUID();

it.each([
  ['audit', ['export']],
  ['keys', ['status']],
  ['parked', ['list']],
  ['erase', ['--practice', anybody, '--patient', anybody, '--dry-run']],
])('%s says of a database that no hub has been on what it lacks', async (name, args) => {
  const { code, errors } = await runCommand(name, args, {
    DATABASE_URL: database.url,
    HUB_MASTER_KEY: testMasterKey,
  });
  expect(code).toBeGreaterThan(0);
  expect(errors.trim()).toBe(
    'The database lacks tables of this version. Start a hub of it there first.',
  );
});
