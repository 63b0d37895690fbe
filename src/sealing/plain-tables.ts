import {
  bindingOfAnswer,
  bindingOfEvent,
  bindingOfResponse,
  bindingOfSecret,
  bindingOfTarget,
} from './bindings.js';
import type { DataKey } from './data-key.js';

/** A row of any of them, with the columns that its table has. */
interface PlainRow {
  /** Its key, as texts. */
  place: string[];
  practice_id?: string | null;
  id: string;
  type: string;
  subject: string;
  subject_version: number;
  data: string;
  endpoint_id: string;
  secret: string;
  url: string;
  headers: object | null;
  body: string;
  delivery_id: string;
  number: number;
}

/** A table whose rows an earlier version wrote in plain text. */
export interface PlainTable {
  name: string;
  /** Lies before every place. */
  first: readonly unknown[];
  /**
   * The next rows after a place that are not sealed, in order of their places (their keys), up to the last parameter;
   * with `practice_id` where they are a practice's.
   */
  readSql: string;
  /** What is sealed of one row. */
  sealOne: (row: PlainRow, key: DataKey) => Buffer;
  /** Takes a list for each column of the places, and the list of what was sealed. */
  writeSql: string;
}

const nilId = '00000000-0000-0000-0000-000000000000';

export const plainTables: readonly PlainTable[] = [
  {
    name: 'events',
    first: [nilId],
    readSql: `
      select array[id::text] as place, practice_id, type, subject, subject_version,
             data::text as data
      from events where id > $1::uuid and sealed is null order by id limit $2`,
    sealOne: ({ practice_id, type, subject, subject_version: subjectVersion, data }, key) =>
      key.seal(
        data,
        bindingOfEvent({ practiceId: practice_id ?? null, type, subject, subjectVersion }),
      ),
    writeSql: `
      update events as e set sealed = s.sealed, data = null
      from unnest($1::uuid[], $2::bytea[]) as s (id, sealed)
      where e.id = s.id and e.sealed is null`,
  },
  {
    name: 'endpoint_secrets',
    first: [nilId],
    readSql: `
      select array[id::text] as place, endpoint_id, secret
      from endpoint_secrets where id > $1::uuid and sealed is null order by id limit $2`,
    sealOne: ({ endpoint_id, secret }, key) => key.seal(secret, bindingOfSecret(endpoint_id)),
    writeSql: `
      update endpoint_secrets as e set sealed = s.sealed, secret = null
      from unnest($1::uuid[], $2::bytea[]) as s (id, sealed) where e.id = s.id and e.sealed is null`,
  },
  {
    name: 'endpoints',
    first: [nilId],
    readSql: `
      select array[id::text] as place, id, url, headers
      from endpoints where id > $1::uuid and sealed_target is null order by id limit $2`,
    sealOne: ({ id, url, headers }, key) =>
      key.seal(JSON.stringify({ url, headers }), bindingOfTarget(id)),
    writeSql: `
      update endpoints as e set sealed_target = s.sealed, url = null, headers = null
      from unnest($1::uuid[], $2::bytea[]) as s (id, sealed) where e.id = s.id and e.sealed_target is null`,
  },
  {
    // Under the hub's own key: the row does not say whose answer it is, and it is gone in a day.
    name: 'idempotency_keys',
    first: ['', '', ''],
    readSql: `
      select array[identity, route, key] as place, body::text as body
      from idempotency_keys
      where (identity, route, key) > ($1, $2, $3) and body is not null
      order by identity, route, key limit $4`,
    sealOne: ({ place, body }, key) => key.seal(body, bindingOfAnswer(place)),
    writeSql: `
      update idempotency_keys as k set sealed_body = s.sealed, body = null
      from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) as s (identity, route, key, sealed)
      where (k.identity, k.route, k.key) = (s.identity, s.route, s.key) and k.body is not null`,
  },
  {
    name: 'attempt_responses',
    first: [nilId, -1],
    readSql: `
      select array[r.delivery_id::text, r.number::text] as place, d.practice_id, r.delivery_id, r.number, r.body
      from attempt_responses as r
      left join lateral (select practice_id from deliveries where id = r.delivery_id limit 1) as d on true
      where (r.delivery_id, r.number) > ($1::uuid, $2::int) and r.sealed_body is null
      order by r.delivery_id, r.number limit $3`,
    sealOne: ({ delivery_id, number, body }, key) =>
      key.seal(body, bindingOfResponse(delivery_id, number)),
    writeSql: `
      update attempt_responses as r set sealed_body = s.sealed, body = null
      from unnest($1::uuid[], $2::int[], $3::bytea[]) as s (delivery_id, number, sealed)
      where r.delivery_id = s.delivery_id and r.number = s.number and r.sealed_body is null`,
  },
];
