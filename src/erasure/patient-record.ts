import type { NewEntry } from '../audit/audit-entry.js';
import { writeEntriesSql } from '../audit/sql/write.js';
import { lockPractices, type EventTx } from '../database/transactions.js';
import type { AnyNewEvent, Cause, Outbox } from '../events/outbox/outbox.js';
import { counted } from '../platform/counted.js';
import { goesAlong, type AccountOf } from './erasure.rules.js';
import {
  accountsSql,
  beginErasureSql,
  eraseAccountsSql,
  eraseAppointmentsSql,
  eraseEntriesSql,
  eraseExternalIdsSql,
  erasePatientSql,
  findErasureSql,
  patientSql,
  releaseGuarantorSql,
} from './sql/erase-record.js';
import { addCountsSql } from './sql/erase-history.js';

export interface ErasureRequest {
  practiceId: string;
  patientId: string;
  /** The account goes too, though it is in another's name, if nobody else is on it. */
  withAccount: boolean;
  /** Who gave the order; goes on record. */
  orderedBy: string;
}

const actor = 'system/erasure';

/** How many of what were erased. */
export type Counts = Record<string, number>;

/** An erasure on record: its presence lets the database erase what is append-only otherwise. */
export interface ErasureRow {
  id: string;
  practice_id: string;
  patient_id: string;
  account_ids: string[];
  requested_at: Date;
  events_through: string;
  counts: Counts;
  finished_at: Date | null;
}

/** Why a patient cannot be erased, in a sentence. */
export class ErasureRefused extends Error {}

interface PatientRow {
  given_name: string;
  family_name: string | null;
  /** How many appointments are ahead, and when the first of them starts. */
  ahead: number;
  first_ahead: Date | null;
}

interface AccountRow {
  id: string;
  holder: AccountOf['holder'];
  is_shared: boolean;
}

/**
 * Erases what the practice's own tables say of a patient, tells it as `patient.erased`, and puts the erasure on record;
 * what is on record already is left as it is. All of it or nothing, in the caller's transaction.
 * @throws ErasureRefused for an unknown patient, and for one who is expected.
 */
export async function eraseRecord(
  tx: EventTx,
  outbox: Outbox,
  { practiceId, patientId, withAccount, orderedBy }: ErasureRequest,
): Promise<ErasureRow> {
  // The roles of the hub may not change an entry of the ledger, nor what an erasure leaves.
  await tx.query('set local role none');
  await lockPractices(tx, [practiceId]);
  const about = [practiceId, patientId];
  const [known] = await tx.query<ErasureRow[]>(findErasureSql, about);
  if (known) return known;
  const [patient] = await tx.query<PatientRow[]>(patientSql, about);
  if (!patient) throw new ErasureRefused('The practice has no such patient.');
  if (patient.first_ahead) throw expected(about, patient.ahead, patient.first_ahead);
  const names = { givenName: patient.given_name, familyName: patient.family_name };
  const accounts = (await tx.query<AccountRow[]>(accountsSql, about))
    .filter(({ holder, ...row }) =>
      goesAlong(names, { id: row.id, holder, isShared: row.is_shared }, withAccount),
    )
    .map(({ id }) => id);
  const [erasure] = await tx.query<ErasureRow[]>(beginErasureSql, [...about, accounts]);
  const { counts, events } = await eraseRows(tx, about, accounts);
  const cause: Cause = { actor, correlationId: erasure!.id, onBehalfOf: orderedBy };
  await outbox.append(tx, cause, events);
  await tx.query(addCountsSql, [erasure!.id, null, counts]);
  const entry = entryOf(erasure!, 'patient.erased', { counts, accounts, onBehalfOf: orderedBy });
  await tx.query(writeEntriesSql, [JSON.stringify([entry])]);
  return { ...erasure!, counts };
}

/** Who cancels them finds them by it, and by nothing of the patient's but the id. */
function expected(about: string[], ahead: number, first: Date): ErasureRefused {
  const [practiceId, patientId] = about;
  const list = `/v1/practices/${practiceId}/appointments?patientId=${patientId}`;
  return new ErasureRefused(
    `The patient has ${counted(ahead, 'appointment')} ahead. Cancel first what this lists: ` +
      `GET ${list}&from=${first.toISOString()}&status=proposed,booked,arrived,checked-in`,
  );
}

/** Of the audit trail; the second one tells what came of it. */
export function entryOf(
  { id, practice_id, patient_id }: ErasureRow,
  action: 'patient.erased' | 'patient.erasure_finished',
  { onBehalfOf, ...detail }: { counts: Counts; accounts: string[]; onBehalfOf: string },
): NewEntry {
  return {
    action,
    actor,
    onBehalfOf,
    practiceId: practice_id,
    subject: `patients/${patient_id}`,
    patientIds: [patient_id],
    correlationId: id,
    detail,
  };
}

async function eraseRows(
  tx: EventTx,
  [practiceId, patientId]: string[],
  accounts: string[],
): Promise<{ counts: Counts; events: AnyNewEvent[] }> {
  const about = [practiceId!, patientId!];
  const entries = await tx.query<unknown[]>(eraseEntriesSql, [...about, accounts]);
  const appointments = await tx.query<{ id: string }[]>(eraseAppointmentsSql, about);
  const answeredFor = await tx.query<{ id: string; version: number }[]>(releaseGuarantorSql, about);
  const holders = await tx.query<unknown[]>(eraseAccountsSql, [practiceId, accounts]);
  const erased = [patientId, ...accounts, ...appointments.map(({ id }) => id)];
  const externalIds = await tx.query<unknown[]>(eraseExternalIdsSql, [practiceId, erased]);
  const [patient] = await tx.query<{ version: number; account_id: string }[]>(
    erasePatientSql,
    about,
  );
  const events = answeredFor
    .filter(({ id }) => !accounts.includes(id))
    .map(({ id, version }): AnyNewEvent => ({
      type: 'account.guarantor_changed',
      practiceId: practiceId!,
      subjectId: id,
      subjectVersion: version,
      data: {
        accountId: id,
        guarantorPatientId: null,
        previousGuarantorPatientId: patientId!,
      },
    }));
  events.push({
    type: 'patient.erased',
    practiceId: practiceId!,
    subjectId: patientId!,
    subjectVersion: patient!.version,
    data: { patientId: patientId!, accountId: patient!.account_id },
  });
  const counts = {
    patients: 1,
    accounts: holders.length,
    appointments: appointments.length,
    ledgerEntries: entries.length,
    externalIds: externalIds.length,
  };
  return { counts, events };
}
