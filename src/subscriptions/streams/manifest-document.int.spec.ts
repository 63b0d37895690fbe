import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { aPatient, aPractice } from '../../../test/support/factories-patients.js';
import { eventually } from '../../../test/support/eventually.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';
import { arrivalsOf, subscribe, type Subscriber } from '../../../test/support/streams.js';
import {
  startWebhookReceiver,
  type WebhookReceiver,
} from '../../../test/support/webhook-receiver.js';

const run = promisify(execFile);
const markdown = readFileSync('docs/manifest.md', 'utf8');

/** The example's code blocks in a language, in order. */
function blocks(language: string): string[] {
  return [...markdown.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, code]) => code!,
  );
}

type Received = [sequence: number, eventId: string][];
type HashOf = (received: Received, from: number, to: number) => Promise<string>;

let folder: string;
let hub: TestHub;
let receiver: WebhookReceiver;
let partner: Subscriber;
let last: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manifest-'));
  [hub, receiver] = await Promise.all([startTestHub(), startWebhookReceiver()]);
  partner = await subscribe(hub, receiver);
  const practice = await aPractice(hub);
  for (let nth = 0; nth < 5; nth++) await aPatient(hub, practice);
  await eventually(async () => {
    const { body } = await hub.api('GET', `/v1/endpoints/${partner.id}`);
    last = body.lastSequence;
    expect(last).toBeGreaterThanOrEqual(10);
    expect(new Set(arrivalsOf(partner).map(({ event }) => event.hubsequence)).size).toBe(last);
  });
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
  await rm(folder, { recursive: true });
});

function received(): Received {
  return arrivalsOf(partner).map(({ event }) => [Number(event.hubsequence), event.id]);
}

async function inJavaScript(received: Received, from: number, to: number): Promise<string> {
  await writeFile(join(folder, 'manifest.mjs'), blocks('js')[0]!);
  await writeFile(
    join(folder, 'run.mjs'),
    `import { manifestHash } from './manifest.mjs';
     const [received, from, to] = JSON.parse(process.argv[2]);
     console.log(manifestHash(new Map(received), from, to));`,
  );
  const input = JSON.stringify([received, from, to]);
  const { stdout } = await run(process.execPath, [join(folder, 'run.mjs'), input]);
  return stdout.trim();
}

async function inSql(received: Received, from: number, to: number): Promise<string> {
  const [table, insert, query, ...more] = blocks('sql');
  expect(more).toEqual([]);
  const client = await hub.database.connect();
  try {
    // Of the partner's own: nothing of it stays in the hub's database.
    await client.query('begin');
    await client.query('create schema partner');
    await client.query('set local search_path to partner');
    await client.query(table!);
    for (const [sequence, eventId] of [...received, ...received]) {
      await client.query(insert!, [partner.id, sequence, eventId, {}]);
    }
    return (await client.query(query!, [partner.id, from, to])).rows[0].hash;
  } finally {
    await client.query('rollback');
    client.release();
  }
}

async function inPython(received: Received, from: number, to: number): Promise<string> {
  await writeFile(join(folder, 'manifest.py'), blocks('python')[0]!);
  await writeFile(
    join(folder, 'run.py'),
    `import json, sys
from manifest import manifest_hash
received, first, last = json.loads(sys.argv[1])
print(manifest_hash(dict(map(tuple, received)), first, last))
`,
  );
  const input = JSON.stringify([received, from, to]);
  const { stdout } = await run('python3', [join(folder, 'run.py'), input]);
  return stdout.trim();
}

async function checkExample(hashOf: HashOf): Promise<void> {
  const lines = blocks('text')[0]!.trimEnd().split('\n');
  const example = lines
    .map((line) => line.split(' ') as [string, string])
    .filter(([, id]) => id !== '-')
    .map(([sequence, id]): [number, string] => [Number(sequence), id]);
  const answer = JSON.parse(blocks('json')[0]!);
  expect([answer.fromSequence, answer.toSequence, answer.count]).toEqual([1, 4, lines.length]);
  expect(await hashOf(example, 1, 4)).toBe(answer.hash);
}

async function checkStream(hashOf: HashOf): Promise<void> {
  const whole = await hub.api('GET', `/v1/endpoints/${partner.id}/manifest`);
  expect(whole.body).toMatchObject({ fromSequence: 1, toSequence: last, count: last });
  expect(await hashOf(received(), 1, last)).toBe(whole.body.hash);
  const path = `/v1/endpoints/${partner.id}/manifest?fromSequence=3&toSequence=7`;
  const { hash } = (await hub.api('GET', path)).body;
  expect(await hashOf(received(), 3, 7)).toBe(hash);
  // It finds what is missing, and what has another's number.
  const lacking = received().filter(([sequence]) => sequence !== 5);
  expect(await hashOf(lacking, 3, 7)).not.toBe(hash);
  const mixedUp = received().map(([n, id]): [number, string] => [
    n === 4 ? 5 : n === 5 ? 4 : n,
    id,
  ]);
  expect(await hashOf(mixedUp, 3, 7)).not.toBe(hash);
}

it.each([
  ['JavaScript', inJavaScript],
  ['SQL', inSql],
] as const)('computes in %s what the API says', async (_, hashOf) => {
  await checkExample(hashOf);
  await checkStream(hashOf);
});

it('computes in Python what the API says', async () => {
  const python = await run('python3', ['--version']).catch((error: Error) => error);
  if (python instanceof Error) {
    // oxlint-disable-next-line no-console -- what did not run must not pass for tested
    console.warn(`The Python example of docs/manifest.md did NOT run: ${python.message}`);
    return;
  }
  await checkExample(inPython);
  await checkStream(inPython);
});
