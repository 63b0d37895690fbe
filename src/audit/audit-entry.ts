import { madeAt } from '../database/time-ids.js';

/** One entry as it is written; the database adds its id, its writer and the time. */
export interface NewEntry {
  /** What was done, as `{resource}.{verb}`: `patient.read`, `key.revoked`. */
  action: string;
  /** As events spell it: `operator`, `applications/{id}`, `partners/{id}`, `system/{part of the hub}`. */
  actor: string;
  /** The human behind it, as the actor names them. */
  onBehalfOf?: string | null;
  keyId?: string | null;
  practiceId?: string | null;
  /** What it is about, as `patients/{id}`. */
  subject?: string | null;
  /** Every patient of whom something was read, changed or sent. */
  patientIds?: readonly string[] | null;
  /** Where from: the address of the connection. */
  ip?: string | null;
  correlationId?: string | null;
  /** Ids, counts and names only; never what a field of a patient holds. */
  detail?: Readonly<Record<string, unknown>>;
}

/** An entry as it is kept, exported and hashed. Its members are in alphabetical order (see `canonicalText`). */
export interface AuditEntry {
  action: string;
  actor: string;
  /** RFC 3339, UTC, milliseconds; by the database's clock, and in the id too. */
  at: string;
  correlationId: string | null;
  /** Of a batch, in the order of the leaves of its Merkle tree. */
  deliveryIds: string[] | null;
  detail: Record<string, unknown>;
  id: string;
  ip: string | null;
  keyId: string | null;
  onBehalfOf: string | null;
  patientIds: string[] | null;
  practiceId: string | null;
  subject: string | null;
  writer: string;
}

export interface EntryRow {
  id: string;
  writer: string;
  action: string;
  actor: string;
  on_behalf_of: string | null;
  key_id: string | null;
  practice_id: string | null;
  subject: string | null;
  patient_ids: string[] | null;
  delivery_ids: string[] | null;
  ip: string | null;
  correlation_id: string | null;
  detail: Record<string, unknown>;
}

const columnsBut = (deliveryIds: string) =>
  `id, writer, action, actor, on_behalf_of, key_id, practice_id, subject, patient_ids, ${deliveryIds}, ip, correlation_id, detail`;

export const entryColumns = columnsBut('delivery_ids');

/** An entry that is only hashed: taking a list of a thousand ids apart and putting it together again cost more. */
export interface HashedRow extends EntryRow {
  delivery_ids: null;
  /** As JSON without white space. */
  delivery_ids_text: string | null;
}

export const hashedColumns = columnsBut(
  `null as delivery_ids, to_json(delivery_ids)::text as delivery_ids_text`,
);

export function entryFromRow(row: EntryRow): AuditEntry {
  return {
    action: row.action,
    actor: row.actor,
    at: madeAt(row.id).toISOString(),
    correlationId: row.correlation_id,
    deliveryIds: row.delivery_ids,
    detail: row.detail,
    id: row.id,
    ip: row.ip,
    keyId: row.key_id,
    onBehalfOf: row.on_behalf_of,
    patientIds: row.patient_ids,
    practiceId: row.practice_id,
    subject: row.subject,
    writer: row.writer,
  };
}

/**
 * The one text of an entry or a block, from which it is hashed: JSON with members in alphabetical order and without
 * white space (RFC 8785, of which numbers that are no integers are not needed). Who has the export can make it too. Of
 * an entry it is the leaf in the Merkle tree of its block.
 */
export function canonicalText(value: object): string {
  return JSON.stringify(sorted(value));
}

/** `canonicalText` of the entry in such a row. */
export function canonicalTextOf(row: HashedRow): string {
  const text = canonicalText(entryFromRow(row));
  const { delivery_ids_text: ids } = row;
  // Within a value the quotes would be escaped; what comes before it has no members.
  return ids === null ? text : text.replace('"deliveryIds":null', () => `"deliveryIds":${ids}`);
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(sorted);
  const members: Record<string, unknown> = {};
  for (const name of Object.keys(value).sort()) {
    members[name] = sorted((value as Record<string, unknown>)[name]);
  }
  return members;
}
