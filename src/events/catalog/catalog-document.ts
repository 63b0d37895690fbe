import { definitionOf, eventTypes } from './catalog.js';
import { payloadModes, schemaOf, type JsonSchema, type PayloadMode } from './fields.js';

/** The catalogue as a page for people, generated so that it cannot differ from what is emitted. Pure. */
export function catalogDocument(): string {
  const index = eventTypes.map((type) => {
    const { description } = definitionOf(type);
    return `| [\`${type}\`](#${type.replaceAll('.', '')}) | ${description} |`;
  });
  return [
    '# Events',
    '',
    'Generated from `src/events/catalog` by `npm run generate`. Each type is served with its JSON Schemas at',
    '`GET /v1/event-types/{type}`.',
    '',
    'A field is shown from the payload mode named in its row on: `thin` has identifiers and links to fetch the rest,',
    '`minimum` adds what does not identify a person, `full` is everything. Whether a link can be followed, the grants of',
    'whoever follows it decide (docs/grants.md).',
    '',
    '| type | says |',
    '| --- | --- |',
    ...index,
    ...eventTypes.flatMap(section),
    '',
  ].join('\n');
}

function section(type: (typeof eventTypes)[number]): string[] {
  const { description, version, subject, fields, example } = definitionOf(type);
  const full = schemaOf(fields, 'full');
  const rows = Object.entries(full.properties as Record<string, JsonSchema>).map(
    ([name, schema]) =>
      `| \`${name}\` | ${shapeOf(schema)} | ${firstMode(name, fields)} | ${(full.required as string[]).includes(name) ? 'always' : 'where it applies'} |`,
  );
  return [
    '',
    `## ${type}`,
    '',
    `${description} Version ${version}, subject \`${subject}/{id}\`.`,
    '',
    '| field | shape | from mode | present |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    '```json',
    JSON.stringify(example, null, 2),
    '```',
  ];
}

function firstMode(name: string, fields: Parameters<typeof schemaOf>[0]): PayloadMode {
  return payloadModes.find((mode) => name in (schemaOf(fields, mode).properties as object))!;
}

function shapeOf(schema: JsonSchema): string {
  const {
    type,
    format,
    enum: values,
    items,
  } = schema as {
    type?: string | string[];
    format?: string;
    enum?: unknown[];
    items?: JsonSchema;
  };
  if (type === 'array') return `list of ${items ? shapeOf(items) : 'anything'}`;
  if (values) return values.map((value) => `\`${String(value)}\``).join(', ');
  const name = Array.isArray(type) ? type.join(' or ') : (type ?? 'object');
  return format ? `${name} (${format})` : name;
}
