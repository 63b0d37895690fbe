import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  OpenToApplications,
  OpenToPartners,
  WithinReach,
} from '../../platform/access/access.guard.js';
import { OneOf } from '../../platform/http/fields.js';
import { notFound } from '../../platform/http/problem.js';
import { definitionOf, eventTypes, isEventType, type EventType } from '../catalog/catalog.js';
import { payloadModes, schemaOf, type JsonSchema, type PayloadMode } from '../catalog/fields.js';
import { HoldsNoPatientData } from '../../audit/reads.interceptor.js';

class SchemaQuery {
  @OneOf(payloadModes, { optional: true, description: 'Default full.' })
  mode?: PayloadMode;
}

/** The catalogue as partners read it. */
@HoldsNoPatientData()
@ApiTags('events')
@Controller('v1/event-types')
@OpenToApplications()
@OpenToPartners()
@WithinReach()
export class EventTypesController {
  @Get()
  @ApiOperation({ summary: 'List the types of events' })
  @ApiOkResponse({ schema: { type: 'object' }, description: 'Every type the hub emits, by name.' })
  list(): { data: object[]; nextCursor: null } {
    return { data: eventTypes.map(describe), nextCursor: null };
  }

  @Get(':type')
  @ApiOperation({ summary: 'Read one type of event, with its versions' })
  @ApiOkResponse({ schema: { type: 'object' } })
  get(@Param('type') type: string): object {
    if (!isEventType(type)) throw notFound('event type');
    return describe(type);
  }

  @Get(':type/versions/:version/schema')
  @ApiOperation({ summary: "Read the JSON Schema of a type's payload" })
  @ApiOkResponse({ schema: { type: 'object' }, description: 'JSON Schema of `data`.' })
  schema(
    @Param('type') type: string,
    @Param('version') version: string,
    @Query() { mode = 'full' }: SchemaQuery,
  ): JsonSchema {
    if (!isEventType(type) || String(definitionOf(type).version) !== version) {
      throw notFound('version of this event type');
    }
    return documentOf(type, mode);
  }
}

function describe(type: EventType): object {
  const { version, description, subject, example } = definitionOf(type);
  return {
    type,
    version,
    description,
    subject: `${subject}/{id}`,
    schemas: Object.fromEntries(payloadModes.map((mode) => [mode, documentOf(type, mode)])),
    example,
  };
}

function documentOf(type: EventType, mode: PayloadMode): JsonSchema {
  const { version, description, fields } = definitionOf(type);
  const schema = schemaOf(fields, mode);
  const links = { type: 'object', additionalProperties: { type: 'string', format: 'uri' } };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `${type}, version ${version}, ${mode}`,
    description,
    ...schema,
    ...(mode === 'thin' && { properties: { ...(schema.properties as object), links } }),
  };
}
