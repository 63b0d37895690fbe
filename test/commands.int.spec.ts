import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
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

const practice = crypto.randomUUID();
const whom = ['--practice', practice, '--patient', anybody];

it.each([
  ['keys', ['foo'], 'There is no command foo.'],
  ['keys', [], 'Say what to do: status, rotate, shred.'],
  ['keys', ['rotate', '--practice', practice], '--practice goes with shred only.'],
  ['keys', ['status', '--what'], expect.stringContaining("'--what'")],
  ['parked', ['list', 'x'], 'list takes nothing more.'],
  ['audit', ['vrfy'], 'Say one of verify, export and key.'],
  ['erase', whom, 'Nothing was done: say --dry-run to count, or --yes to erase.'],
  ['erase', [...whom, '--yes', '--dry-run'], '--dry-run and --yes exclude each other.'],
])('%s %j says what was wrong above the help', async (name, args, wrong) => {
  const { code, output, errors } = await runCommand(name, args, {});
  // Of audit 1 means that the trail is broken.
  expect([code, output]).toEqual([name === 'audit' ? 2 : 1, '']);
  const [first, blank, ...help] = errors.split('\n');
  expect([first, blank]).toEqual([wrong, '']);
  expect(help.join('\n')).toContain(`\n  node dist/commands/${name}.js `);
});

it('is called from a checkout by npm, and says of itself how', async () => {
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'keys', '--', '--help']);
  expect(stdout).toContain('\n  npm run keys -- rotate --data-keys ');
  const { output } = await runCommand('keys', ['--help'], {});
  expect(output).toContain('\n  node dist/commands/keys.js rotate --data-keys ');
  // The first call may have to build.
}, 180_000);
