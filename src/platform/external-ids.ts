import type { Tx } from '../database/transactions.js';
import { Text } from './http/fields.js';
import { conflict, invalidField } from './http/problem.js';

/** A resource's id in another system. */
export class ExternalId {
  // Without the bar that separates it from the value in ?externalId=.
  @Text({ most: 100, pattern: { is: /^[^|]*$/, must: 'not contain |' }, example: 'open-dental' })
  system: string;

  @Text({ most: 200, example: '4711' })
  value: string;
}

export const mostExternalIds = 20;

/** The scope of practices themselves; every other resource's scope is its practice. */
export const practicesScope = '00000000-0000-0000-0000-000000000000';

/**
 * Makes `ids` the external ids of a resource, in the transaction that writes the resource.
 * @throws Problem 409 when another resource has one of them, 422 when a system is named twice.
 */
export async function replaceExternalIds(
  tx: Tx,
  scopeId: string,
  resource: string,
  resourceId: string,
  ids: readonly ExternalId[],
): Promise<void> {
  if (new Set(ids.map(({ system }) => system)).size < ids.length) {
    throw invalidField(
      '/externalIds',
      'external_id_repeated',
      'Each system can give a resource one id only.',
    );
  }
  await tx.query(`delete from external_ids where resource_id = $1`, [resourceId]);
  if (ids.length === 0) return;
  const taken: unknown[] = await tx.query(
    `insert into external_ids (scope_id, resource, system, value, resource_id)
     select $1, $2, system, value, $3 from unnest($4::text[], $5::text[]) as ids (system, value)
     on conflict do nothing returning system`,
    [scopeId, resource, resourceId, ids.map(({ system }) => system), ids.map(({ value }) => value)],
  );
  if (taken.length < ids.length) {
    throw conflict(
      'external_id_taken',
      `Another ${resource} has one of these external ids. Find it with ?externalId=system|value.`,
    );
  }
}

/** The id of the resource that another system knows by this id. */
export async function findByExternalId(
  tx: Tx,
  scopeId: string,
  resource: string,
  { system, value }: ExternalId,
): Promise<string | undefined> {
  const rows: { resource_id: string }[] = await tx.query(
    `select resource_id from external_ids
     where scope_id = $1 and resource = $2 and system = $3 and value = $4`,
    [scopeId, resource, system, value],
  );
  return rows[0]?.resource_id;
}
