// `npx tsx bench/sealed-payloads.ts`: what sealing costs for each event (docs/adr/0008-sealed-payloads.md), in µs of
// processor time: of the hub step by step, and of a PostgreSQL of its own with payloads as `jsonb` and sealed.
import { createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../src/database/embedded-postgres.js';
import { definitionOf } from '../src/events/catalog/catalog.js';
import { bindingOfEvent } from '../src/sealing/bindings.js';
import { DataKey } from '../src/sealing/data-key.js';
import { cpuOf, cpuPer } from './cpu.js';
import { postmasterOf } from './stage.js';
import { microsecondsOf, tell } from './timed.js';

const calls = 20_000;
const rowsAtOnce = 500;
const statements = 60;

const secret = randomBytes(32);
const key = new DataKey(1, secret);
const event = { practiceId: '019a0f5e-7c00-7000-8000-000000000002', subjectVersion: 3 };
const bound = {
  ...event,
  type: 'appointment.scheduled',
  subject: `appointments/${'0'.repeat(36)}`,
};
const binding = bindingOfEvent(bound);
const { example } = definitionOf('appointment.scheduled');
const payload = { ...example, note: '' };
/** An appointment with a note that makes it as long as the decision's. */
const text = JSON.stringify({
  ...payload,
  note: 'Prefers the chair. '.repeat(40).slice(0, 636 - JSON.stringify(payload).length),
});
const sealed = key.seal(text, binding);
const base64 = sealed.toString('base64');
const hexadecimal = sealed.toString('hex');

function tellHub(): void {
  const keyObject = createSecretKey(secret);
  /** As `DataKey.open`, as far as it is asked to go. */
  const decrypt = (given: typeof secret | typeof keyObject, check: boolean) => {
    const options = { authTagLength: 16 };
    const decipher = createDecipheriv('aes-256-gcm', given, sealed.subarray(5, 17), options);
    decipher.setAuthTag(sealed.subarray(-16));
    decipher.setAAD(Buffer.from(binding));
    const opened = decipher.update(sealed.subarray(17, -16));
    if (check) decipher.final();
    return opened;
  };
  const decryptToText = () => {
    const options = { authTagLength: 16 };
    const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(5, 17), options);
    decipher.setAuthTag(sealed.subarray(-16));
    decipher.setAAD(Buffer.from(binding));
    const opened = decipher.update(sealed.subarray(17, -16), undefined, 'utf8');
    return opened + decipher.final('utf8');
  };
  const plain = decrypt(secret, true);
  const steps: Record<string, () => unknown> = {
    'hub: seal': () => key.seal(text, bindingOfEvent(bound)),
    'hub: open, from base64': () => key.open(Buffer.from(base64, 'base64'), bindingOfEvent(bound)),
    '  of it: decipher, tag, binding, decryption': () => decrypt(secret, false),
    '  of it: that and checking the tag': () => decrypt(secret, true),
    '  of it: the text': () => plain.toString('utf8'),
    '  of it: base64': () => Buffer.from(base64, 'base64'),
    '  of it: the text of the binding': () => bindingOfEvent(bound),
    "  instead: the driver's hexadecimal": () => Buffer.from(hexadecimal, 'hex'),
    '  instead: a KeyObject, to checking the tag': () => decrypt(keyObject, true),
    "  instead: update(…, 'utf8'), to the text": decryptToText,
  };
  for (const [what, step] of Object.entries(steps)) tell(what, microsecondsOf(calls, step));
}

async function tellPostgres(client: pg.Client, postmaster: number): Promise<void> {
  await client.query(`create unlogged table plain (n int, data jsonb);
                      create unlogged table closed (n int, data bytea)`);
  const measure = async (what: string, query: string, values: unknown[]) => {
    await client.query(query, values);
    const before = await cpuOf({ PostgreSQL: postmaster });
    for (let n = 0; n < statements; n += 1) await client.query(query, values);
    const used = cpuPer(statements * rowsAtOnce, before, await cpuOf({ PostgreSQL: postmaster }));
    tell(`PostgreSQL: ${what}`, used.PostgreSQL!);
  };
  const all = Array.from({ length: rowsAtOnce }, () => sealed);
  await measure(
    'insert jsonb, from one parameter for all',
    `insert into plain select ordinality, value from jsonb_array_elements($1::jsonb) with ordinality`,
    [`[${all.map(() => text).join(',')}]`],
  );
  await measure(
    'insert sealed, from one parameter for all',
    `insert into closed select n, substring($1::bytea from 1 + n * $2::int for $2::int)
     from generate_series(0, $3::int - 1) as n`,
    [Buffer.concat(all), sealed.length, rowsAtOnce],
  );
  await measure('hand over jsonb as text', `select data from plain limit $1`, [rowsAtOnce]);
  await measure(
    'hand over sealed as base64',
    `select encode(data, 'base64') as data from closed limit $1`,
    [rowsAtOnce],
  );
  await measure('hand over sealed as hexadecimal', `select data::text from closed limit $1`, [
    rowsAtOnce,
  ]);
}

tellHub();
const folder = await mkdtemp(join(tmpdir(), 'practice-event-hub-bench-'));
const server = await startEmbeddedPostgres({ dataDir: folder, log: () => undefined });
const client = new pg.Client(server.url);
try {
  await client.connect();
  await tellPostgres(client, await postmasterOf(server.url));
} finally {
  await client.end();
  await server.stop();
  await rm(server.dataDir, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}
