import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { aPatient, aPractice } from '../support/factories-patients.js';
import { openHubStage, type HubProcess, type HubStage } from '../support/hub-process.js';
import { runCommand, startCommand } from '../support/run-command.js';

/*
 * Who did what stays on record, whatever becomes of the hub: killed in the middle of its work, it has answered nothing
 * that the trail does not tell, and another chains what it left behind.
 */

let stage: HubStage;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hub-audit-'));
  stage = await openHubStage({ HUB_DATA_DIR: folder, HUB_API_RATE_LIMIT: '0' });
});
afterEach(async () => {
  await stage.close();
  await rm(folder, { recursive: true });
});

function audit(...args: string[]) {
  const settings = { DATABASE_URL: stage.databaseUrl, HUB_DATA_DIR: folder };
  return runCommand('audit', args, settings);
}

/** Reads and writes without a pause until the hub is gone; notes which requests were answered. */
async function busy(
  hub: HubProcess,
  practice: any,
  nth: number,
  answered: string[],
): Promise<void> {
  const patients = `/v1/practices/${practice.id}/patients`;
  try {
    for (let n = 0; ; n += 1) {
      const requestId = `busy-${nth}-${n}`;
      const headers = { 'x-request-id': requestId };
      const { status } =
        n % 3 === 0
          ? await hub.api('POST', patients, { kind: 'human', givenName: 'A' }, headers)
          : await hub.api('GET', `${patients}?limit=5`, undefined, headers);
      if (status < 300) answered.push(requestId);
    }
  } catch {
    // It is gone.
  }
}

it('tells everything that a killed hub had answered, in a chain that holds', async () => {
  const killed = await stage.startHub();
  const practice = await aPractice(killed);
  const answered: string[] = [];
  const working = [0, 1, 2, 3].map((nth) => busy(killed, practice, nth, answered));
  await eventually(async () => {
    const { rows } = await stage.database.query(
      'select exists (select from audit_blocks where number > 1) as going',
    );
    expect({ ...rows[0], some: answered.length > 50 }).toEqual({ going: true, some: true });
  }, 40_000);
  await killed.kill();
  await Promise.all(working);
  const { rows } = await stage.database.query(
    `select id from unnest($1::text[]) as asked (id)
     where not exists (select from audit_entries as e where e.correlation_id = asked.id)`,
    [answered],
  );
  expect(rows).toEqual([]);

  const other = await stage.startHub();
  await eventually(async () => {
    const { rows } = await stage.database.query(
      `select count(*)::int as left from audit_unsealed where writer <> (
         select id from audit_writers order by started_at desc limit 1)`,
    );
    expect(rows[0].left).toBe(0);
  }, 40_000);
  await other.stop();
  const { code, output } = await audit('verify');
  expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('The trail holds') });
});

it('is verified, exported and added to by commands', async () => {
  const hub = await stage.startHub();
  const practice = await aPractice(hub);
  const patient = await aPatient(hub, practice);
  await hub.api('GET', `/v1/practices/${practice.id}/patients/${patient.id}`);

  const settings = { DATABASE_URL: stage.databaseUrl, HUB_DATA_DIR: folder };
  const redriven = await runCommand('parked', ['redrive', '--by', 'Dr. Roe'], settings);
  expect(redriven).toMatchObject({
    code: 0,
    output: expect.stringContaining('0 to be tried again'),
  });
  await hub.stop();

  const verified = await audit('verify', '--from', new Date(Date.now() - 3_600_000).toISOString());
  expect(verified).toMatchObject({ code: 0, output: expect.stringContaining('of 2 writers') });
  const exported = (await audit('export')).output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const actions = exported.map(({ action }) => action);
  expect(actions).toEqual(
    expect.arrayContaining([
      'setting.changed',
      'practice.created',
      'patient.read',
      'event.redrive',
    ]),
  );
  expect(exported.find(({ action }) => action === 'event.redrive')).toMatchObject({
    actor: 'system/commands',
    onBehalfOf: 'Dr. Roe',
    detail: { count: 0 },
  });

  // Elsewhere than where the hub keeps its key that is named, and none is made.
  const publicKey = (await audit('key')).output.trim();
  const elsewhere = { ...settings, HUB_DATA_DIR: join(folder, 'elsewhere') };
  const away = (...args: string[]) => runCommand('audit', args, elsewhere);
  const heads = ['verify', '--heads', join(folder, 'audit-heads')];
  expect((await away('key')).code).toBe(2);
  expect((await away(...heads)).code).toBe(2);
  expect((await away(...heads, '--key', publicKey)).code).toBe(0);

  // Whoever has read enough of it, such as `head`, closes it.
  const cut = await startCommand('audit', ['export'], settings);
  cut.child.stdout!.destroy();
  expect((await cut.ended).code).toBe(0);
  expect(cut.progress()).toBe('');

  await stage.database.query(
    `begin; set local session_replication_role = replica;
     update audit_entries set actor = 'nobody' where action = 'patient.read'; commit`,
  );
  const broken = await audit('verify');
  const { id } = exported.find(({ action }) => action === 'patient.read');
  expect(broken).toMatchObject({ code: 1, output: expect.stringContaining(`entry ${id}`) });
  expect((await audit('verify', '--heads', join(folder, 'none'))).code).toBe(1);
  await stage.database.query(
    `begin; set local session_replication_role = replica;
     update audit_entries set actor = 'operator' where action = 'patient.read'; commit`,
  );
  expect((await audit('verify', '--heads', join(folder, 'none'))).code).toBe(2);
});

it('is added to by commands with a key that a hub has signed with, and no other', async () => {
  const first = await stage.startHub();
  await first.stop();
  const publicKey = (await audit('key')).output.trim();
  const elsewhere = { DATABASE_URL: stage.databaseUrl, HUB_DATA_DIR: join(folder, 'elsewhere') };
  const redrive = () => runCommand('parked', ['redrive'], elsewhere);

  const without = await redrive();
  expect(without).toMatchObject({ code: 1, errors: expect.stringContaining(publicKey) });
  expect(without.errors).toContain('A command makes none of its own.');
  await expect(stat(elsewhere.HUB_DATA_DIR)).rejects.toMatchObject({ code: 'ENOENT' });

  // That of a hub on another database lies there.
  const other = await openHubStage({ HUB_DATA_DIR: elsewhere.HUB_DATA_DIR });
  try {
    await (await other.startHub()).stop();
  } finally {
    await other.close();
  }
  const foreign = await redrive();
  expect(foreign).toMatchObject({ code: 1, errors: expect.stringContaining(publicKey) });
  expect(foreign.errors).toContain('A new key counts once a hub has started with it.');
  const { rows } = await stage.database.query(
    `select name from audit_writers where name like 'commands/%'`,
  );
  expect(rows).toEqual([]);

  // A hub may sign with it from now on, which shows; then commands may, too.
  const second = await stage.startHub({ HUB_DATA_DIR: elsewhere.HUB_DATA_DIR });
  await second.stop();
  expect(second.output()).toContain('a key that no hub has signed them with before');
  expect(first.output()).not.toContain('a key that no hub has signed them with before');
  expect(await redrive()).toMatchObject({ code: 0 });
  const changes = (await audit('export')).output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ subject }) => subject === 'settings/auditKey');
  expect(changes.map(({ detail }) => detail.to)).toEqual([
    publicKey,
    (await runCommand('audit', ['key'], elsewhere)).output.trim(),
  ]);
});
