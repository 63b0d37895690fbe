// `npm run demo`: the tour. Starts the hub with data of its own, and a partner that listens; books, charges and takes
// payments in a dental and a veterinary practice; shows each webhook as it lands. Exits 0 only when everything that
// should arrive did, and verified. With KAFKA_BROKERS set the events travel over Kafka.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { whenNpmIsGone } from '../scripts/kafka/launcher.js';
import { startHubProcess } from './hub-process.js';
import { startPartner, type Received } from './receiver.js';
import { practices, tour } from './story.js';

const waitMs = 60_000;
const wanted = [
  'patient.created',
  'appointment.scheduled',
  'appointment.reminder_due',
  'payment.posted',
] as const;

const received: Received[] = [];
const names = new Map<string, string>();
let onProgress = () => {};

function show(webhook: Received): void {
  received.push(webhook);
  const latency = `${webhook.receivedAt.getTime() - webhook.time.getTime()} ms`;
  const practice = names.get(webhook.practiceId) ?? '';
  const proof = webhook.verified ? 'signature verified' : 'SIGNATURE WRONG';
  console.log(
    `  ${webhook.type.padEnd(26)} ${practice.padEnd(18)} ${latency.padStart(8)}   ${proof}`,
  );
  onProgress();
}

function missing(): string[] {
  return [...names].flatMap(([practiceId, name]) =>
    wanted
      .filter(
        (type) =>
          !received.some(
            (webhook) =>
              webhook.type === type && webhook.practiceId === practiceId && webhook.verified,
          ),
      )
      .map((type) => `${type} for ${name}`),
  );
}

function arrived(): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    onProgress = () => {
      if (missing().length > 0) return;
      clearTimeout(timer);
      resolve();
    };
    onProgress();
  });
}

async function main(): Promise<boolean> {
  const dataDir = await mkdtemp(join(tmpdir(), 'practice-event-hub-demo-'));
  const key = `hub_live_${randomBytes(24).toString('base64url')}`;
  const bus = process.env.KAFKA_BROKERS ? `Kafka at ${process.env.KAFKA_BROKERS}` : 'embedded log';
  console.log(`Starting a hub with data of its own (${bus}) …`);
  const partner = await startPartner(show);
  const hub = await startHubProcess({
    HUB_DATA_DIR: dataDir,
    HUB_OPERATOR_KEY: key,
    HUB_LOG_LEVEL: 'error',
    HUB_ALLOW_NETWORKS: '127.0.0.0/8',
    HUB_PUBLIC_URL: '',
    DATABASE_URL: '',
    HOST: '127.0.0.1',
    PORT: '0',
    // On a shared broker another hub's events must not mix with the tour's.
    HUB_KAFKA_TOPIC: `practice.events.demo-${randomBytes(4).toString('hex')}`,
  });
  try {
    console.log(`The hub is ready at ${hub.url}. A partner listens to everything.\n`);
    await tour({ url: hub.url, key }, partner, (id, name) => names.set(id, name));
    console.log('\nWebhooks, with the time from the fact to the partner:');
    await arrived();
  } finally {
    await hub.stop();
    partner.close();
    await rm(dataDir, { recursive: true, force: true });
  }
  const left = names.size < practices.length ? ['the tour did not finish'] : missing();
  const forged = received.filter(({ verified }) => !verified).length;
  if (forged > 0) left.push(`${forged} webhooks whose signature did not verify`);
  if (left.length > 0) console.log(`\nMissing:\n  ${left.join('\n  ')}`);
  else console.log('\nAll four events arrived and verified, for both practices.');
  return left.length === 0;
}

// Leaves by `exit` whatever ends it, which takes the hub along.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
whenNpmIsGone(() => process.exit(1));
process.exit((await main()) ? 0 : 1);
