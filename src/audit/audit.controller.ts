import { Readable } from 'node:stream';
import { Controller, Get, Headers, Query, StreamableFile } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { OpenToApplications } from '../platform/access/access.guard.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import type { Page } from '../platform/http/lists.js';
import { AuditEntryResource, AuditPage, AuditQuery } from './audit.dto.js';
import { AuditService } from './audit.service.js';
import type { AuditEntry } from './audit-entry.js';

const ndjson = 'application/x-ndjson';

/** Who did what: for the operator, and for applications as far as it concerns their practices. */
@ApiTags('audit')
@ApiExtraModels(AuditPage, AuditEntryResource)
@Controller('v1/audit')
@OpenToApplications()
export class AuditController {
  constructor(private readonly audit: AuditService) {}

  @Get()
  @ApiOkResponse({
    description:
      'In order of writing. With `Accept: application/x-ndjson` all of it, or `limit` entries, a line each. Entries of the last minute may still be joined by earlier ones: to follow the trail, ask `from` one full minute `to` the next.',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(AuditPage) } },
      [ndjson]: { schema: { $ref: getSchemaPath(AuditEntryResource) } },
    },
  })
  async read(
    @Context() { caller }: RequestContext,
    @Query() query: AuditQuery,
    @Headers('accept') accept = '',
  ): Promise<Page<AuditEntry> | StreamableFile> {
    if (!accept.includes(ndjson)) return this.audit.list(caller, query);
    const lines = Readable.from(this.audit.lines(caller, query));
    return new StreamableFile(lines, { type: `${ndjson}; charset=utf-8` });
  }
}
