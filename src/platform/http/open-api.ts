import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

const tags = {
  applications: 'Who calls besides the operator, and with which keys.',
  tokens: 'For browsers and streams: as a key, with no more rights, for minutes.',
  partners: 'Who hears of what practices grant, and with which keys.',
  grants: 'What a practice lets a partner hear of and read, why, and until when.',
  practices: 'Locations, their clock and their reminder rules.',
  patients: 'Humans and animals.',
  accounts: 'Who pays, and for an animal who owns.',
  appointments: 'Bookings and what becomes of them.',
  charges: 'What was done or sold.',
  payments: 'Payments, refunds, reversals; ledger entries are never changed.',
  adjustments: 'Corrections of a balance.',
  endpoints: 'Who gets webhooks, of what.',
  deliveries: 'What was sent, and what came of it.',
  events: 'The log as a feed, and the catalogue of types.',
  audit: 'Who did what, to whom, when and from where.',
  operations: 'Health and metrics; no key needed.',
};

/** The public contract, from the code: served at /openapi.json and /docs, and kept in openapi.json. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Practice Event Hub')
    .setDescription(
      'What happens in a practice becomes an event, and every application that may know hears of it.\n\n' +
        'Errors are problem details (RFC 9457) with a stable `code`. Lists are paged by cursor. Times are RFC 3339 ' +
        'with an offset and answered in UTC; money is a positive integer in minor units.',
    )
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'hub_live_…' })
    .addSecurityRequirements('bearer');
  for (const [name, description] of Object.entries(tags)) builder.addTag(name, description);
  const document = SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) =>
      `${controller.replace(/Controller$/, '')}_${method}`,
  });
  addConventions(document);
  return document;
}

export function serveDocs(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
    swaggerOptions: { persistAuthorization: true },
    customSiteTitle: 'Practice Event Hub API',
  });
}

const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'Any text of your own. The same key and body within 24 hours give the same answer and happen once.',
  schema: { type: 'string', maxLength: 255 },
} as const;

const ifMatch = {
  name: 'If-Match',
  in: 'header',
  required: true,
  description: 'The ETag of the resource as you read it: 428 without, 412 when it has changed.',
  schema: { type: 'string', example: '"1"' },
} as const;

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What is wrong and what to do.' },
    code: { type: 'string', description: 'Stable: branch on this.' },
    requestId: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          pointer: { type: 'string', description: 'Into the body (RFC 6901).' },
          parameter: { type: 'string' },
          code: { type: 'string' },
          detail: { type: 'string' },
        },
      },
    },
  },
} as const;

/** What holds for every route, said once: keys, preconditions and problems. */
function addConventions(document: OpenAPIObject): void {
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: { ...problem } as never },
  };
  const answer = {
    description: 'A problem (RFC 9457).',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  for (const path of Object.values(document.paths)) {
    for (const [operation, header] of [
      [path.get, undefined],
      [path.post, idempotencyKey],
      [path.patch, ifMatch],
      [path.delete, ifMatch],
    ] as const) {
      if (!operation) continue;
      if (header) operation.parameters = [...(operation.parameters ?? []), header];
      operation.responses = { ...operation.responses, default: answer };
    }
  }
}
