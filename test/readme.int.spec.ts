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

it('does what the README says of the first webhook', async () => {
  const block = /run by test\/readme\.int\.spec\.ts\. -->\s+```sh\n([\s\S]*?)```/.exec(
    readFileSync('README.md', 'utf8'),
  )![1]!;
  const { stdout } = await promisify(execFile)('sh', ['-ec', block], {
    env: { ...process.env, HUB: hub.url, KEY: hub.key, RECEIVER: receiver.url },
  });
  expect(stdout).toMatch(/"secret":"whsec_/);
  await receiver.waitFor(({ event }) => event.type === 'patient.created');
  await receiver.waitFor(({ event }) => event.type === 'appointment.scheduled');
});
