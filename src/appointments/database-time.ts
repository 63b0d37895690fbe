import type { Tx } from '../database/transactions.js';

/**
 * The database's clock, to the millisecond. Whether an appointment is over or a reminder late is asked of this one
 * clock: several hubs share it, and their own may differ.
 */
export async function databaseTime(tx: Tx): Promise<Date> {
  const [{ now }] = await tx.query(`select clock_timestamp()::timestamptz(3) as now`);
  return now;
}
