import type { OpenAPIObject } from '@nestjs/swagger';
import { inDays } from './partners.js';

interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  enum?: string[];
  pattern?: string;
  maxLength?: number;
  properties?: Record<string, Schema>;
  additionalProperties?: unknown;
  items?: Schema;
  allOf?: Schema[];
}

export interface MarkedBody {
  method: string;
  template: string;
  body: Record<string, unknown>;
}

/** Texts that are names of the hub's own, not of people. */
const technical = new Set(['timeZone', 'currency', 'eventType', 'filter', 'url']);

/**
 * For every operation that takes free text, a body with the marker in every such field, however deep: a field that is
 * added to the API is in it without anybody thinking of it. What else a body needs, `neededBesides` has.
 */
export function markedBodies(document: OpenAPIObject, marker: string): MarkedBody[] {
  return Object.entries(document.paths).flatMap(([template, item]) =>
    (['post', 'patch'] as const).flatMap((method) => {
      const body = item[method]?.requestBody as
        { content?: Record<string, { schema: Schema }> } | undefined;
      const schema = body?.content?.['application/json']?.schema;
      const marked = schema && markedBy(schema, document, marker);
      if (!marked || Object.keys(marked).length === 0) return [];
      return [{ method: method.toUpperCase(), template, body: marked as Record<string, unknown> }];
    }),
  );
}

function markedBy(given: Schema, document: OpenAPIObject, marker: string): unknown {
  const schema = resolved(given, document);
  if (schema.type === 'array') {
    const item = schema.items && markedBy(schema.items, document, marker);
    return typeof item === 'object' ? [item] : undefined;
  }
  if (schema.properties) {
    const members = Object.entries(schema.properties).flatMap(([name, member]) => {
      const value = technical.has(name) ? undefined : markedBy(member, document, marker);
      return value === undefined ? [] : [[name, value]];
    });
    return members.length > 0 ? Object.fromEntries(members) : undefined;
  }
  if (schema.additionalProperties) return { 'x-note': marker };
  return schema.type === 'string' ? textOf(schema, marker) : undefined;
}

function textOf({ format, enum: names, pattern, maxLength = 200 }: Schema, marker: string) {
  if (format === 'email') return `${marker}@example.com`;
  if (format || names || pattern) return undefined;
  return `${marker} and what is told of them`.slice(0, maxLength);
}

function resolved(schema: Schema, document: OpenAPIObject): Schema {
  const name = schema.$ref?.split('/').at(-1);
  const named = name ? (document.components?.schemas?.[name] as Schema) : schema;
  const parts = (named.allOf ?? []).map((part) => resolved(part, document));
  return parts.reduce(
    (all, part) => ({
      ...part,
      ...all,
      ...(part.properties && { properties: { ...part.properties, ...all.properties } }),
    }),
    named,
  );
}

/** By operation, what its body needs besides texts; where an operation takes one of two, both. `undefined` takes a field away. */
export function neededBesides(
  known: Record<string, string>,
  marker: string,
  receiverUrl: string,
): Record<string, object[]> {
  const { patientId, partnerId } = known;
  const time = { start: '2032-03-10T15:30:00Z', end: '2032-03-10T16:00:00Z' };
  const money = { patientId, amount: 1000, currency: 'USD' };
  const practice = '/v1/practices/{practiceId}';
  return {
    'POST /v1/practices': [{ kind: 'dental', timeZone: 'UTC', currency: 'USD', reminderRules: [] }],
    [`PATCH ${practice}`]: [{ reminderRules: undefined, externalIds: undefined }],
    'POST /v1/applications': [{ practiceIds: [known.practiceId] }],
    'POST /v1/endpoints': [
      { url: `${receiverUrl}/${marker}`, eventTypes: ['*'], payloadMode: 'full' },
      { url: `https://${marker}.invalid/hook`, eventTypes: ['*'] },
      { url: `http://127.0.0.1:9/${marker}`, eventTypes: ['*'] },
    ],
    [`POST ${practice}/patients`]: [
      {
        kind: 'human',
        birthDate: '1987-11-23',
        owner: undefined,
        species: undefined,
        breed: undefined,
      },
      { kind: 'animal', externalIds: undefined },
    ],
    [`PATCH ${practice}/patients/{patientId}`]: [
      { species: undefined, breed: undefined, externalIds: undefined },
    ],
    [`POST ${practice}/accounts`]: [{ externalIds: undefined }],
    [`POST ${practice}/appointments`]: [{ patientId, ...time }],
    [`PATCH ${practice}/appointments/{appointmentId}`]: [{ externalIds: undefined }],
    [`POST ${practice}/appointments/{appointmentId}/reschedule`]: [time],
    [`POST ${practice}/charges`]: [money],
    [`POST ${practice}/payments`]: [
      { ...money, method: 'cash', payer: { type: 'other', name: marker }, externalIds: undefined },
    ],
    [`POST ${practice}/adjustments`]: [{ ...money, kind: 'credit', externalIds: undefined }],
    [`POST ${practice}/payments/{paymentId}/refund`]: [{ amount: 1 }],
    [`POST ${practice}/grants`]: [
      {
        partnerId,
        eventTypes: ['*'],
        payloadMode: 'full',
        readMode: 'full',
        expiresAt: inDays(30),
      },
    ],
  };
}
