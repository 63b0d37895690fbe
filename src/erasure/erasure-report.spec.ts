import { expect, it } from '@jest/globals';
import { reportText } from './erasure-report.js';

it('tells what was erased in the order of a preview, in whichever order it was kept', () => {
  const text = reportText({
    erasureId: '019a0f5e-7c00-7000-8000-000000000001',
    practiceId: '019a0f5e-7c00-7000-8000-000000000002',
    patientId: '019a0f5e-7c00-7000-8000-000000000003',
    requestedAt: new Date('2026-03-08T14:30:00Z'),
    finishedAt: new Date('2026-03-08T14:30:02Z'),
    erased: { events: 31, accounts: 1, patients: 1, ledgerEntries: 6 },
    kept: [
      { what: 'ledger entries', count: 1, why: 'bookkeeping' },
      { what: 'appointments', count: 2, why: 'the practice' },
      { what: 'audit entries', count: 0, why: 'the law' },
    ],
    recipients: [],
    applications: [],
    underWay: [],
    beyond: [],
    warnings: [],
  });
  const told = [...text.matchAll(/^ +(\d+)  (.+)$/gm)].map(([, count, what]) => [count, what]);
  expect(told).toEqual([
    ['1', 'patient record'],
    ['1', 'account holder'],
    ['6', 'ledger entries: names and free text'],
    ['31', 'payloads of events'],
  ]);
  const kept = [
    '1 ledger entry: bookkeeping',
    '2 appointments: the practice',
    'audit entries: the law',
  ];
  for (const line of kept) expect(text).toContain(`\n  ${line}\n`);
});
