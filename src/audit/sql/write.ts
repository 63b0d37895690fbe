import type { Statement } from '../../database/transactions.js';

/*
 * Every entry is written together with its place in the queue of what no block holds yet, in one statement: what is not
 * in the queue is never sealed. The writer is the connection's, the id and the time are the database's. The id is made
 * first, since `returning` would ask for the right to read what was written, which its author need not have.
 */

const columns = `id, action, actor, on_behalf_of, key_id, practice_id, subject, patient_ids, ip, correlation_id, detail`;

/** One entry, in the transaction of what it tells. */
export const writeEntry: Statement = {
  name: 'audit-entry',
  text: `
    with made as materialized (select hub_uuid_v7() as id),
    entry as (
      insert into audit_entries (${columns})
      select id, $1, $2, $3, $4::uuid, $5::uuid, $6, $7::uuid[], $8, $9, $10::jsonb from made
    )
    insert into audit_unsealed (writer, id) select hub_audit_writer(), id from made`,
};

/**
 * The entry of a batch of results, as parts of the statement that records them: which were recorded is known there.
 * @param deliveryIds parameters: the ids in the order of the leaves, and the rest of `BatchDetail` as JSON
 * @param changed the part that yields a row for each that was recorded
 */
export function batchEntry(deliveryIds: string, detail: string, changed: string): string {
  return `
  made as materialized (select hub_uuid_v7() as id),
  entry as (
    insert into audit_entries (id, action, actor, delivery_ids, detail)
    select id, 'delivery.batch', 'system/deliveries', ${deliveryIds}::uuid[],
           ${detail}::jsonb || jsonb_build_object('recorded', (select count(*) from ${changed}))
    from made
  ),
  queued_entry as (insert into audit_unsealed (writer, id) select hub_audit_writer(), id from made)`;
}

/**
 * The entry of deliveries that are withheld, as parts of the statement that does it; none where it finds nothing.
 * @param changed the part that yields the ids of those that were withheld
 * @param reason an expression
 */
export function withheldEntry(changed: string, reason: string): string {
  return `
  made as materialized (select hub_uuid_v7() as id where exists (select from ${changed})),
  entry as (
    insert into audit_entries (id, action, actor, delivery_ids, detail)
    select id, 'delivery.withheld', 'system/deliveries', array(select id from ${changed}),
           jsonb_build_object('reason', ${reason}, 'count', (select count(*) from ${changed}))
    from made
  ),
  queued_entry as (insert into audit_unsealed (writer, id) select hub_audit_writer(), id from made)`;
}

/** Many entries, as a JSON array of `NewEntry`. */
export const writeEntriesSql = `
  with made as materialized (
    select hub_uuid_v7() as id, e.*
    from rows from (jsonb_to_recordset($1::jsonb) as (
      action text, actor text, "onBehalfOf" text, "keyId" uuid, "practiceId" uuid, subject text, "patientIds" uuid[],
      ip text, "correlationId" text, detail jsonb)) with ordinality as e
    order by e.ordinality
  ),
  entry as (
    insert into audit_entries (${columns})
    select id, action, actor, "onBehalfOf", "keyId", "practiceId", subject, "patientIds", ip, "correlationId",
           coalesce(detail, '{}')
    from made
  )
  insert into audit_unsealed (writer, id) select hub_audit_writer(), id from made`;
