import { availableParallelism, cpus, loadavg } from 'node:os';
import type { IdleResult } from './idle.js';
import type { Spread } from './figures.js';

export interface BusResult {
  bus: 'the embedded log' | 'Kafka';
  /** Deliveries a second, and the same as a part of the raw limit measured just before and after. */
  backlog: { perSecond: Spread; ofRaw: Spread };
  idle: IdleResult;
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
  rounds: number;
  events: number;
  webhookBytes: number;
  rawPerSecond: Spread;
  buses: BusResult[];
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
  const { machine, rounds, events, rawPerSecond, buses } = result;
  const throughput = [
    ['', 'median', 'least to most', 'of raw', 'least to most'],
    ['raw limit: signed POSTs, nothing else', ...rates(rawPerSecond), '1', ''],
    ...buses.map(({ bus, backlog }) => [
      `backlog of ${count(events)} over ${bus}`,
      ...rates(backlog.perSecond),
      backlog.ofRaw.median.toFixed(2),
      `${backlog.ofRaw.least.toFixed(2)} to ${backlog.ofRaw.most.toFixed(2)}`,
    ]),
  ];
  const latency = [
    ['', 'median', 'p99', 'worst', 'call answered, median'],
    ...buses.map(({ bus, idle: { arrival, answer } }) => [
      `idle: REST call to webhook over ${bus}`,
      ...[arrival.p50, arrival.p99, arrival.most, answer.p50].map((ms) => `${ms.toFixed(1)} ms`),
    ]),
  ];
  const busy = machine.loadBefore > machine.cores / 4;
  return [
    `${machine.cores} cores (${machine.processor}), Node ${machine.node}, PostgreSQL ${machine.postgres} with fsync,`,
    `webhooks of ${result.webhookBytes} bytes, one endpoint, ${rounds} rounds, ${buses[0]!.idle.samples} idle samples, load before ${machine.loadBefore}`,
    ...(busy ? ['The machine was busy with something else: compare the ratios at most.'] : []),
    '',
    ...aligned(throughput),
    '',
    ...aligned(latency),
  ].join('\n');
}

/** Figures to three digits: the noise is larger. */
export function jsonOf(result: BenchResult): string {
  const rounded = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(3)) : value;
  return JSON.stringify(result, rounded, 2);
}

function rates({ median, least, most }: Spread): string[] {
  return [`${rate(median)}/s`, `${rate(least)} to ${rate(most)}`];
}

/** Two runs differ by more than a hundred. */
export function rate(perSecond: number): string {
  return count(Math.round(perSecond / 100) * 100);
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}

function aligned(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('   ')
      .trimEnd(),
  );
}
