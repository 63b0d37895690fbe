import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { freePort } from '../scripts/kafka/ports.js';
import { describeWithKafka, kafkaBrokers } from './support/kafka.js';

/** The tour gives up on a webhook after a minute. */
jest.setTimeout(180_000);

interface Ending {
  code: number | null;
  output: string;
}

const tours = new Set<() => void>();

/** Runs the program of `npm run demo` to its end. */
function takeTour(settings: Record<string, string> = {}): Promise<Ending> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(HUB_|KAFKA_BROKERS$|DATABASE_URL$|NODE_OPTIONS$)/.test(name),
  );
  // In a group of its own, so that its hub can be ended with it.
  const child = spawn(process.execPath, ['--import', 'tsx', 'demo/demo.ts'], {
    env: { ...Object.fromEntries(own), ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const end = () => process.kill(-child.pid!, 'SIGTERM');
  tours.add(end);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => (output += String(text)));
  }
  return new Promise((resolve) => {
    child.once('exit', () => tours.delete(end));
    child.once('close', (code) => resolve({ code, output }));
  });
}

const types = [
  'patient.created',
  'appointment.scheduled',
  'appointment.reminder_due',
  'payment.posted',
];
const practices = ['Elm Street Dental', 'Riverside Vets'];

/** Each of the four in each practice, as `type  practice  latency  proof`. */
function expectWholeTour({ code, output }: Ending): void {
  for (const type of types) {
    for (const practice of practices) {
      const line = new RegExp(`^ +${type} +${practice} +\\d+ ms +signature verified$`, 'm');
      expect(output).toMatch(line);
    }
  }
  expect(output).toMatch(/^All four events arrived and verified, for both practices\.$/m);
  expect(output).not.toMatch(/WRONG|Missing/);
  expect(code).toBe(0);
}

/** A tour over a Kafka that is not there: the hub takes the facts and nothing carries them on. */
let nowhere: Promise<Ending>;

beforeAll(async () => {
  // Tours that start together would both build.
  const script = `import('./scripts/start.mjs').then(({ buildIfNeeded }) => buildIfNeeded())`;
  await promisify(execFile)(process.execPath, ['-e', script]);
  // It takes a minute, which the others need not wait for.
  nowhere = takeTour({ KAFKA_BROKERS: `127.0.0.1:${await freePort()}` });
});
afterAll(() => {
  for (const end of tours) end();
});

describe('the tour', () => {
  it('shows all four events in both practices', async () => {
    expectWholeTour(await takeTour());
  });
});

describeWithKafka('the tour over Kafka', () => {
  it('shows the same', async () => {
    const tour = await takeTour({ KAFKA_BROKERS: kafkaBrokers() });
    expect(tour.output).toMatch(/Kafka at 127\.0\.0\.1:\d+/);
    expectWholeTour(tour);
  });
});

describe('the tour where webhooks cannot arrive', () => {
  it('fails, and says what is missing', async () => {
    const { code, output } = await nowhere;
    const missing = types.flatMap((type) => practices.map((name) => `  ${type} for ${name}`));
    const told = output.slice(output.indexOf('\nMissing:\n')).split('\n').slice(2);
    expect(told.filter(Boolean).sort()).toEqual(missing.sort());
    expect(output).not.toMatch(/signature verified/);
    expect(code).toBe(1);
  });
});
