import { counted } from '../../platform/counted.js';
import type { Checked } from './verify.js';

/** How much of the trail was looked at, as a phrase. Pure. */
export function summaryOf({ entries, blocks, writers, attempts, heads }: Checked): string {
  const chained = `${counted(entries, 'entry', 'entries')} in ${counted(blocks, 'block')} of ${counted(writers, 'writer')}`;
  return `${chained}, ${counted(attempts, 'attempt')} of deliveries, ${counted(heads, 'head')}`;
}
