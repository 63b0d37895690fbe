import { availableParallelism, cpus, loadavg } from 'node:os';
import type { CpuTimes } from './cpu.js';

/** One measure beside what was aimed for. */
export interface Row {
  measure: string;
  /** In the unit of the aim. */
  value: number;
  aim: number;
  stretch?: number;
  /** `ratio` to what `of` names; the others are what they say. */
  unit: 'ratio' | 'ms' | 's' | 'MB';
  /** Whether a smaller value is the better one. */
  lessIsBetter?: boolean;
  /** The value in absolute terms, and whatever explains it. */
  detail: string;
  /** Microseconds of processor time for each delivery, fact or reminder. */
  cpu?: CpuTimes;
}

export interface BenchResult {
  at: string;
  machine: {
    processor: string;
    cores: number;
    node: string;
    postgres: string;
    /** Processes that wanted a core in the minute before: on a quiet machine well below 1. */
    loadBefore: number;
  };
  minutes: number;
  webhookBytes: number;
  raw: { least: number; median: number; most: number; cpu: CpuTimes };
  rows: Row[];
  /** Measurements that were not asked for, or could not be made here, and why. */
  left: string[];
}

export function machineFacts(postgres: string): BenchResult['machine'] {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    postgres,
    loadBefore: Math.round(loadavg()[0]! * 10) / 10,
  };
}

export function tableOf(result: BenchResult): string {
  const { machine, raw, rows, left } = result;
  const busy = machine.loadBefore > machine.cores / 4;
  const cells = rows.map((row) => [
    row.measure,
    shown(row.value, row.unit),
    shown(row.aim, row.unit),
    row.stretch === undefined ? '' : shown(row.stretch, row.unit),
    isReached(row, row.aim) ? 'yes' : 'no',
    row.detail,
    row.cpu ? cpuText(row.cpu) : '',
  ]);
  return [
    `${machine.cores} cores (${machine.processor}), Node ${machine.node}, PostgreSQL ${machine.postgres} with fsync,`,
    `webhooks of ${result.webhookBytes} bytes, ${result.minutes} minutes, load before ${machine.loadBefore}.`,
    `Raw limit: ${rate(raw.median)} signed POSTs/s (${rate(raw.least)} to ${rate(raw.most)}), µs each: ${cpuText(raw.cpu)}`,
    ...(busy ? ['The machine was busy with something else: compare the ratios at most.'] : []),
    '',
    ...markdown([
      ['measure', 'measured', 'aim', 'stretch', 'reached', '', 'µs of processor time each'],
      ...cells,
    ]),
    ...(left.length > 0 ? ['', ...left.map((line) => `Not measured: ${line}`)] : []),
  ].join('\n');
}

/** Figures to three digits: the noise is larger. */
export function jsonOf(result: BenchResult): string {
  const rounded = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(3)) : value;
  return JSON.stringify(result, rounded, 2);
}

export function isReached({ value, lessIsBetter }: Row, goal: number): boolean {
  return lessIsBetter ? value <= goal : value >= goal;
}

/** Two runs differ by more than a hundred. */
export function rate(perSecond: number): string {
  const digits = perSecond < 1000 ? 10 : 100;
  return (Math.round(perSecond / digits) * digits).toLocaleString('en-US');
}

export function cpuText(cpu: CpuTimes): string {
  return Object.entries(cpu)
    .filter(([, time]) => !Number.isNaN(time))
    .map(([part, time]) => `${part} ${Math.round(time)}`)
    .join(', ');
}

function shown(value: number, unit: Row['unit']): string {
  if (unit === 'ratio') return value < 0.1 ? value.toFixed(3) : value.toFixed(2);
  return `${value < 100 ? Number(value.toPrecision(3)) : Math.round(value)} ${unit}`;
}

function markdown(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) =>
    Math.max(3, ...rows.map((row) => row[column]!.length)),
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [
    line(rows[0]!),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.slice(1).map(line),
  ];
}
