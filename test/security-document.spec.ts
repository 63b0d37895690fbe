import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';

const text = readFileSync('SECURITY.md', 'utf8');
const files = new Set(
  [...text.matchAll(/`((?:src|test|scripts|docs)\/[\w./-]+\.\w+)`/g)].map(([, file]) => file!),
);

describe('SECURITY.md', () => {
  it('names files that exist', () => {
    expect(files.size).toBeGreaterThan(30);
    expect([...files].filter((file) => !existsSync(file))).toEqual([]);
  });

  it('has a test for every threat and every rule', () => {
    const rows = text.split('\n').filter((line) => /^\| (?!-)/.test(line));
    const threats = rows.slice(rows.findIndex((row) => row.startsWith('| threat')) + 1);
    expect(threats.length).toBeGreaterThan(30);
    const untested = threats.filter((row) => !row.startsWith('| rule') && !/\.spec\.ts`/.test(row));
    expect(untested).toEqual([]);
  });

  it('tells of every safeguard of 45 CFR 164.312', () => {
    for (const rule of [
      '(a)(1)',
      '(a)(2)(i)',
      '(a)(2)(ii)',
      '(a)(2)(iii)',
      '(a)(2)(iv)',
      '(b)',
      '(c)(1)',
      '(c)(2)',
      '(d)',
      '(e)(1)',
      '(e)(2)(i)',
      '(e)(2)(ii)',
    ]) {
      expect(text).toContain(`| 164.312${rule} `);
    }
  });
});
