import { bindingOfEvent } from '../../sealing/bindings.js';
import type { DataKeys, Lost, Sealed } from '../../sealing/data-keys.js';
import type { StoredEvent } from '../catalog/envelope.js';
import { formatPosition, type Position } from '../position.js';

export interface HeaderRow {
  id: string;
  type: string;
  practice_id: string | null;
  patient_id: string | null;
  account_id: string | null;
  subject: string;
  actor: string;
  generation: number;
  xact_id: string;
  seq: string;
}

/** The columns of `eventColumns`. */
export interface EventRow extends HeaderRow {
  type_version: number;
  source: string;
  subject_version: number;
  time: Date;
  correlation_id: string;
  causation_id: string | null;
  traceparent: string | null;
  /** In base64. */
  sealed: string;
}

/**
 * Events as the log keeps them, with their data, in the order of the rows. Where that is lost, the event is there and
 * says why (`lost`): nobody who reads the log may be held up by it.
 * @throws MasterKeyMissing where one cannot be opened before a master key is given: it is not to be skipped.
 */
export async function openEvents(
  rows: readonly EventRow[],
  keys: Pick<DataKeys, 'open'>,
): Promise<StoredEvent[]> {
  const opened = await keys.open(rows.map(sealedOf));
  return rows.map((row, i) => eventFromRow(row, opened[i]!));
}

/**
 * As far as the first one that waits for a master key, for those who keep to the log's order.
 * @throws MasterKeyMissing where that is the first of all.
 */
export async function openEventsInOrder(
  rows: readonly EventRow[],
  keys: Pick<DataKeys, 'open' | 'openBeforeLocked'>,
): Promise<StoredEvent[]> {
  const opened = await keys.openBeforeLocked(rows.map(sealedOf));
  if (opened.length === 0) return openEvents(rows.slice(0, 1), keys);
  return opened.map((each, i) => eventFromRow(rows[i]!, each));
}

/** What an event says, sealed as it lies in the log. */
export function sealedOf(row: EventRow): Sealed {
  return {
    sealed: Buffer.from(row.sealed, 'base64'),
    binding: bindingOfEvent({
      practiceId: row.practice_id,
      type: row.type,
      subject: row.subject,
      subjectVersion: row.subject_version,
    }),
  };
}

function eventFromRow(row: EventRow, opened: string | { lost: Lost }): StoredEvent {
  return {
    id: row.id,
    type: row.type,
    typeVersion: row.type_version,
    position: formatPosition(positionFromRow(row)),
    practiceId: row.practice_id,
    patientId: row.patient_id,
    accountId: row.account_id,
    source: row.source,
    subject: row.subject,
    subjectVersion: row.subject_version,
    time: row.time,
    actor: row.actor,
    correlationId: row.correlation_id,
    causationId: row.causation_id,
    traceparent: row.traceparent,
    ...(typeof opened === 'string'
      ? { data: JSON.parse(opened) as object }
      : { data: {}, lost: opened.lost }),
  };
}

export function positionFromRow(row: {
  generation: number;
  xact_id: string;
  seq: string;
}): Position {
  return { generation: row.generation, xactId: row.xact_id, seq: row.seq };
}
