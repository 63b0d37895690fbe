import type { Tx } from '../database/transactions.js';

/** The patient's account and state as an appointment needs them, and the database's clock. */
export interface PatientNow {
  now: Date;
  /** As the database spells it; null where the practice has no such patient. */
  patientId: string | null;
  accountId: string;
  deleted: boolean;
}

const patientNowSql = `
  select clock_timestamp()::timestamptz(3) as now, p.id as "patientId", p.account_id as "accountId",
         p.deleted_at is not null as deleted
  from (values (1)) as always
  left join patients as p on p.practice_id = $1 and p.id = $2`;

/**
 * Read from the table and not through the patients' module, because that one needs to know about appointments. One
 * clock for whether an appointment is over and a reminder late: several hubs share it, and their own may differ.
 */
export async function readPatientNow(
  tx: Tx,
  practiceId: string,
  patientId: string,
): Promise<PatientNow> {
  const [row] = await tx.query(patientNowSql, [practiceId, patientId]);
  return row;
}
