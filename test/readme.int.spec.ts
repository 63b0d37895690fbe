import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startTestHub, type TestHub } from './support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from './support/webhook-receiver.js';

let hub: TestHub;
let receiver: WebhookReceiver;

beforeAll(async () => {
  [hub, receiver] = await Promise.all([startTestHub(), startWebhookReceiver()]);
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

function blocksOf(file: string): string[] {
  const block = /run by test\/readme\.int\.spec\.ts.* -->\s+```sh\n([\s\S]*?)```/g;
  return [...readFileSync(file, 'utf8').matchAll(block)].map(([, shell]) => shell!);
}

const blockOf = (file: string): string => blocksOf(file)[0]!;

async function run(block: string): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-ec', block], {
    env: { ...process.env, HUB: hub.url, KEY: hub.key, RECEIVER: receiver.url },
  });
  return stdout;
}

it('does what the README says of the first webhook', async () => {
  const stdout = await run(blockOf('README.md'));
  expect(stdout).toMatch(/"secret":"whsec_/);
  await receiver.waitFor(({ event }) => event.type === 'patient.created');
  await receiver.waitFor(({ event }) => event.type === 'appointment.scheduled');
});

it('does what the README says of an application, whose key then opens what it reaches', async () => {
  const told = await run(blocksOf('README.md').join('\n'));
  const key = /"key":"(hub_live_[^"]+)"/.exec(told)![1]!;
  const me = await fetch(`${hub.url}/v1/me`, { headers: { authorization: `Bearer ${key}` } });
  expect(await me.json()).toMatchObject({
    kind: 'application',
    practiceIds: [expect.any(String)],
  });
});

it('does what docs/grants.md says of a partner, whose links then show what it is granted', async () => {
  const told = await run(
    `${blockOf('README.md')}\n${blockOf('docs/grants.md')}\nprintf '\\n%s' "$PARTNER_KEY"`,
  );
  const { event } = await receiver.waitFor(({ path }) => path === '/partner');
  const { links, ...ids } = event.data as { links: Record<string, string> };
  expect(Object.keys(ids).sort()).toEqual(['accountId', 'entryId', 'patientId']);
  const authorization = `Bearer ${told.trim().split('\n').at(-1)}`;
  const entry = await fetch(links.entry!, { headers: { authorization } });
  expect(await entry.json()).toMatchObject({ amount: 5000, method: 'card' });
  const path = `${event.source}/patients/${(ids as any).patientId}/disclosures`;
  const { body } = await hub.api('GET', `/v1${path}`);
  expect(body.data.map(({ how, mode }: any) => [how, mode])).toEqual([
    ['fetch', 'minimum'],
    ['webhook', 'thin'],
  ]);
});
