import type { Statement } from '../../database/transactions.js';

/*
 * Every entry is written together with its place in the queue of what no block holds yet, in one statement: what is
 * not in the queue is never sealed. The writer is the connection's (`hub.audit_writer`), the id and the time are the
 * database's.
 */

const columns = `action, actor, on_behalf_of, key_id, practice_id, subject, patient_ids, ip, correlation_id, detail`;

/** One entry, in the transaction of what it tells. */
export const writeEntry: Statement = {
  name: 'audit-entry',
  text: `
    with entry as (
      insert into audit_entries (${columns})
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
      returning writer, id
    )
    insert into audit_unsealed (writer, id) select writer, id from entry`,
};

/**
 * The entry of a batch of results, as parts of the statement that records them: which were recorded is known there.
 * @param deliveryIds parameters: the ids in the order of the leaves, and the rest of `BatchDetail` as JSON
 * @param changed the part that yields a row for each that was recorded
 */
export function batchEntry(deliveryIds: string, detail: string, changed: string): string {
  return `
  entry as (
    insert into audit_entries (action, actor, delivery_ids, detail)
    select 'delivery.batch', 'system/deliveries', ${deliveryIds}::uuid[],
           ${detail}::jsonb || jsonb_build_object('recorded', (select count(*) from ${changed}))
    returning writer, id
  ),
  queued_entry as (insert into audit_unsealed (writer, id) select writer, id from entry)`;
}

/** Many entries, as a JSON array of `NewEntry`. */
export const writeEntriesSql = `
  with entry as (
    insert into audit_entries (${columns})
    select action, actor, "onBehalfOf", "keyId", "practiceId", subject, "patientIds", ip, "correlationId",
           coalesce(detail, '{}')
    from rows from (jsonb_to_recordset($1::jsonb) as (
      action text, actor text, "onBehalfOf" text, "keyId" uuid, "practiceId" uuid, subject text, "patientIds" uuid[],
      ip text, "correlationId" text, detail jsonb)) with ordinality
    order by ordinality
    returning writer, id
  )
  insert into audit_unsealed (writer, id) select writer, id from entry`;
