import fc from 'fast-check';
import type { OpenAPIObject } from '@nestjs/swagger';

/** One request that is wrong, or at least strange, in one way or several. */
export interface Attack {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: Buffer;
}

export interface Operation {
  method: string;
  template: string;
  queryNames: string[];
  bodyFields: string[];
}

interface Schema {
  $ref?: string;
  properties?: object;
  allOf?: Schema[];
}

/** The operations of a document, with the names that a request to each may use. */
export function operationsOf(document: OpenAPIObject): Operation[] {
  const fieldsOf = (schema: Schema | undefined): string[] => {
    if (!schema) return [];
    const name = schema.$ref?.split('/').at(-1);
    const named = name && (document.components?.schemas?.[name] as Schema);
    return [
      ...(named ? fieldsOf(named) : []),
      ...Object.keys(schema.properties ?? {}),
      ...(schema.allOf ?? []).flatMap(fieldsOf),
    ];
  };
  return Object.entries(document.paths).flatMap(([template, item]) =>
    (['get', 'post', 'patch', 'delete'] as const).flatMap((method) => {
      const operation = item[method];
      if (!operation) return [];
      const parameters = (operation.parameters ?? []) as { in: string; name: string }[];
      const content = (operation.requestBody as { content?: Record<string, { schema: Schema }> })
        ?.content;
      return {
        method: method.toUpperCase(),
        template,
        queryNames: parameters.filter((each) => each.in === 'query').map(({ name }) => name),
        bodyFields: fieldsOf(content?.['application/json']?.schema),
      };
    }),
  );
}

const strangeTexts = [
  '',
  ' ',
  'null',
  '0',
  '-1',
  '1e400',
  "'; drop table events; --",
  '" or 1=1',
  '$where',
  '%00',
  '\u0000',
  '\ud800',
  '‮abc',
  '../../etc/passwd',
  '{{7*7}}',
  '<script>alert(1)</script>',
  'x'.repeat(300),
  '1970-01-01T00:00:00Z',
  '9999-99-99',
  'hub_live_x',
  '\r\nx-injected: 1',
];
const strangeText = fc.oneof(fc.constantFrom(...strangeTexts), fc.string({ unit: 'binary' }));
const strangeValue = fc.oneof(
  strangeText,
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(null, true, -0, 2 ** 53 + 1, -1e308, [], {}, [[]], [null], ['*', '*']),
);

/** Bodies that no parser, or no check, should fall over. */
function bodyOf(fields: readonly string[]): fc.Arbitrary<Buffer | undefined> {
  const names = fc.constantFrom('unknown', 'constructor', 'toString', ...fields);
  const object = fc.dictionary(names, strangeValue, { maxKeys: 6, noNullPrototype: true });
  return fc.oneof(
    { weight: 6, arbitrary: object.map((value) => Buffer.from(JSON.stringify(value))) },
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    fc.constantFrom(
      undefined,
      Buffer.from(`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`),
      Buffer.from(`${'{"metadata":'.repeat(60)}1${'}'.repeat(60)}`),
      Buffer.from('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}}}'),
      Buffer.from(`{"name":"${'x'.repeat(300_000)}"}`),
      Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
      Buffer.from('{"amount":1e999,"currency":"USD"}'),
    ),
  );
}

/** A header's value as HTTP lets it through at all: what is not, the client refuses to send. */
const headerText = strangeText.map((text) =>
  [...text]
    .filter((letter) => letter >= ' ' && letter <= '~')
    .join('')
    .trim(),
);

/**
 * Attacks on one operation.
 * @param known what stands for each parameter of a path where it is to be a real one
 */
export function attacksOn(
  { method, template, queryNames, bodyFields }: Operation,
  known: Readonly<Record<string, string>>,
): fc.Arbitrary<Attack> {
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  const parameters = fc.tuple(
    ...names.map((name) =>
      fc.oneof({ weight: 3, arbitrary: fc.constant(known[name]!) }, strangeText),
    ),
  );
  // Whoever waits for news waits for half a minute.
  const query = fc.dictionary(
    fc.constantFrom('unknown', ...queryNames.filter((name) => name !== 'wait')),
    strangeText,
    { maxKeys: 3, noNullPrototype: true },
  );
  const headers = fc.record(
    {
      'content-type': fc.constantFrom('application/json', 'text/plain', 'application/xml', 'x'),
      'if-match': fc.oneof(fc.constant('"1"'), headerText),
      'idempotency-key': headerText,
      traceparent: headerText,
      'x-request-id': headerText,
    },
    { requiredKeys: [] },
  );
  const hasBody = method === 'POST' || method === 'PATCH';
  return fc
    .tuple(parameters, query, headers, hasBody ? bodyOf(bodyFields) : fc.constant(undefined))
    .map(([values, pairs, given, body]) => {
      const path = template.replace(/\{(\w+)\}/g, () => encode(values.shift() as string));
      const search = Object.entries(pairs).map(([name, value]) => `${name}=${encode(value)}`);
      return {
        method,
        path: search.length > 0 ? `${path}?${search.join('&')}` : path,
        headers: { ...(body && { 'content-type': 'application/json' }), ...given },
        ...(body && { body }),
      };
    });
}

// Half a surrogate pair cannot be encoded; a path without its last segment would be another route.
function encode(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString()) || '%20';
}
