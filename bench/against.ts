// `npx tsx bench/against.ts FOLDER`: how fast deliveries of this checkout are against those of another one, whose
// packages are installed. Both hubs run all the time and take turns with backlogs, so that what the
// machine does meanwhile meets both; each round gives one ratio.
//   --rounds=12     how many
//   --events=10000  deliveries in each
//   --endpoints=1   that each event goes to
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { CpuTimes } from './cpu.js';
import { spreadOf } from './figures.js';

interface Round {
  perSecond: number;
  cpu: CpuTimes;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '12' },
    events: { type: 'string', default: '10000' },
    endpoints: { type: 'string', default: '1' },
  },
});
const [other, ...more] = positionals;
const rounds = Number(values.rounds);
const numbers = [rounds, Number(values.events), Number(values.endpoints)];
if (!other || more.length > 0 || numbers.some((number) => !(number > 0))) {
  console.error(
    'Usage: npx tsx bench/against.ts FOLDER [--rounds=12] [--events=10000] [--endpoints=1]',
  );
  process.exit(2);
}

/** A checkout whose hub runs until `end`. */
class Side {
  private readonly child;
  private readonly lines;

  constructor(folder: string) {
    const script = fileURLToPath(new URL('./rounds.ts', import.meta.url));
    const options = ['--import', 'tsx', script, folder, values.endpoints];
    this.child = spawn(process.execPath, options, {
      cwd: folder,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    while ((await this.line()) !== 'ready');
  }

  async measure(): Promise<Round> {
    this.child.stdin.write(`${values.events}\n`);
    return JSON.parse(await this.line()) as Round;
  }

  end(): void {
    this.child.stdin.end();
  }

  private async line(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('A side has ended; its last words stand above');
    return value;
  }
}

const sum = (cpu: CpuTimes) => Object.values(cpu).reduce((total, time) => total + time, 0);
const sides = [fileURLToPath(new URL('..', import.meta.url)), resolve(other)].map(
  (folder) => new Side(folder),
);
try {
  for (const side of sides) await side.ready();
  const ratios: { rate: number; hub: number; all: number }[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const turn = round % 2 === 0 ? sides : sides.toReversed();
    const measured = new Map<Side, Round>();
    for (const side of turn) measured.set(side, await side.measure());
    const [ours, theirs] = sides.map((side) => measured.get(side)!);
    const rate = ours!.perSecond / theirs!.perSecond;
    ratios.push({
      rate,
      hub: ours!.cpu.hub! / theirs!.cpu.hub!,
      all: sum(ours!.cpu) / sum(theirs!.cpu),
    });
    console.error(`round ${round} of ${rounds}: ${rate.toFixed(2)} of the other's rate`);
  }
  for (const [name, of] of [
    ['rate', 'rate'],
    ["hub's processor time a delivery", 'hub'],
    ['processor time of all', 'all'],
  ] as const) {
    const { least, median, most } = spreadOf(ratios.map((ratio) => ratio[of]));
    console.log(`${name}: ${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`);
  }
} finally {
  for (const side of sides) side.end();
}
