import { expect, it } from '@jest/globals';
import { partitionedTables, retentionOf } from './partitions.js';

it('keeps what was disclosed for as many years as are set, the rest for as long as events', () => {
  const settings = { eventRetentionDays: 30, disclosureRetentionYears: 10 };
  const days = partitionedTables.map((table) => [table, retentionOf(table, settings)]);
  expect(days).toEqual([
    ['events', 30],
    ['deliveries', 30],
    ['delivery_attempts', 30],
    ['disclosures', 3660],
  ]);
});
