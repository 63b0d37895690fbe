import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { describeWithKafka } from './support/kafka.js';
import { eventually } from './support/eventually.js';

/** Half a minute of chaos; starting, starting again and catching up take their time on a busy machine. */
const settleSeconds = 150;
const patienceMs = 60_000;
jest.setTimeout((30 + settleSeconds) * 1000 + 3 * patienceMs);

interface Run {
  child: ChildProcess;
  output(): string;
  ended: Promise<number | null>;
}

/** Whatever a run writes, it writes below. */
let folder: string;
let running: Run | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hub-test-chaos-'));
});
afterEach(async () => {
  running?.child.kill('SIGTERM');
  await running?.ended;
  await rm(folder, { recursive: true, force: true });
});

/** Runs the program of `npm run chaos`. */
function startChaos(...options: string[]): Run {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(HUB_|KAFKA_BROKERS$|DATABASE_URL$|NODE_OPTIONS$|npm_)/.test(name),
  );
  const child = spawn(process.execPath, ['--import', 'tsx', 'chaos/chaos.ts', ...options], {
    env: { ...Object.fromEntries(own), TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => (output += String(text)));
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return (running = { child, output: () => output, ended });
}

/** Files that are left, and processes that were started with the folder in their environment or arguments. */
async function leftOvers(): Promise<string[]> {
  // tsx keeps what it has compiled.
  const files = (await readdir(folder)).filter((name) => !name.startsWith('tsx-'));
  if (process.platform !== 'linux') return files;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
      const [line, environment] = [await read('cmdline'), await read('environ')];
      return `${line}${environment}`.includes(folder) ? [`${pid} ${line.slice(0, 200)}`] : [];
    }),
  );
  return [...files, ...found.flat()];
}

async function expectItHolds(bus: 'log' | 'kafka'): Promise<void> {
  const sizes = ['--seconds=30', '--hubs=2', '--rate=40', `--settle=${settleSeconds}`];
  const chaos = startChaos(`--bus=${bus}`, ...sizes);
  const code = await chaos.ended;
  const text = chaos.output();
  // In one expectation, so that a failure shows all that the run said.
  expect({ code, text }).toEqual({ code: 0, text: expect.stringMatching(/^It holds/m) });
  const count = (name: string) =>
    Number(new RegExp(`^${name}[^0-9]*?(\\d+)(?: |$)`, 'm').exec(text)?.[1]);
  expect(count('facts accepted')).toBeGreaterThan(20);
  expect(count('events in the log')).toBeGreaterThan(count('facts accepted'));
  for (const done of ['hub kill -9', 'hub frozen', 'PostgreSQL', 'receiver failing']) {
    expect(text).toMatch(new RegExp(`^inflicted .*${done}`, 'm'));
  }
  if (bus === 'kafka') expect(text).toMatch(/^inflicted .*Kafka/m);
  for (const [name, ordering] of [
    ['everything', 'none'],
    ['by subject', 'subject'],
    ['by practice', 'practice'],
  ]) {
    // Due and received; lost, duplicates, after refusal; order, gaps; manifest; other faults.
    const violations = ordering === 'none' ? '-' : '0';
    const row = new RegExp(
      `^${name} +${ordering} +(\\d+) +\\1 +0 +\\d+ +\\d+ +${violations} +0 +equal +0$`,
      'm',
    );
    expect(text).toMatch(row);
  }
  expect(await leftOvers()).toEqual([]);
}

describe('chaos over the embedded log', () => {
  it('loses nothing, inverts nothing and leaves no number out', () => expectItHolds('log'));

  it('ends everything it has started when it is interrupted', async () => {
    const chaos = startChaos('--bus=log', '--hubs=2', '--seconds=60');
    await eventually(
      () => expect(chaos.output()).toMatch(/[1-9]\d* facts accepted/),
      2 * patienceMs,
    );
    chaos.child.kill('SIGINT');
    expect(await chaos.ended).toBe(130);
    expect(chaos.output()).not.toMatch(/It holds|does NOT hold/);
    await eventually(async () => expect(await leftOvers()).toEqual([]));
  });

  it('takes what it was started with when it is killed itself', async () => {
    const chaos = startChaos('--bus=log', '--hubs=2', '--seconds=60');
    await eventually(
      () => expect(chaos.output()).toMatch(/[1-9]\d* facts accepted/),
      2 * patienceMs,
    );
    chaos.child.kill('SIGKILL');
    await chaos.ended;
    await eventually(async () => expect(await leftOvers()).toEqual([]), patienceMs);
  });

  it('says what is wrong with its options', async () => {
    const chaos = startChaos('--seconds=nine');
    expect(await chaos.ended).toBe(1);
    expect(chaos.output()).toMatch(/--seconds is a whole number from 10 to 3600, not "nine"/);
  });
});

describeWithKafka(
  'chaos over Kafka',
  () => {
    it('loses nothing, inverts nothing and leaves no number out', () => expectItHolds('kafka'));
  },
  { own: true },
);
