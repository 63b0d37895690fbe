import { Controller, Get, Query, Req, type StreamableFile } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { OpenToApplications } from '../platform/access/access.guard.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import type { Page } from '../platform/http/lists.js';
import { ndjson, ndjsonType, wantsNdjson } from '../platform/http/ndjson.js';
import { AuditEntryResource, AuditPage, AuditQuery } from './audit.dto.js';
import { AuditService } from './audit.service.js';
import type { AuditEntry } from './audit-entry.js';

/** Who did what: for the operator, and for applications as far as it concerns their practices. */
@ApiTags('audit')
@ApiExtraModels(AuditPage, AuditEntryResource)
@Controller('v1/audit')
@OpenToApplications()
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  @ApiOperation({ summary: 'Read the audit trail' })
  @ApiOkResponse({
    description:
      'In order of writing. As NDJSON it is all of it in one answer, and `limit` does not count. Entries of the last minute may still be joined by earlier ones: to follow the trail, ask `from` one full minute `to` the next.',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(AuditPage) } },
      [ndjsonType]: { schema: { $ref: getSchemaPath(AuditEntryResource) } },
    },
  })
  async read(
    @Req() request: FastifyRequest,
    @Context() { caller }: RequestContext,
    @Query() query: AuditQuery,
  ): Promise<Page<AuditEntry> | StreamableFile> {
    if (!wantsNdjson(request)) return this.audit.list(caller, query);
    return ndjson(this.audit.export(caller, query));
  }
}
