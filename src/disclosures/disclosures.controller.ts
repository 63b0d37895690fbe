import { Controller, Get, Param, Query, Req, type StreamableFile } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { OpenToApplications } from '../platform/access/access.guard.js';
import { IdOf } from '../platform/http/input.pipe.js';
import type { Page } from '../platform/http/lists.js';
import { ndjson, ndjsonType, wantsNdjson } from '../platform/http/ndjson.js';
import { DisclosureListQuery, DisclosurePage, DisclosureResource } from './disclosure.dto.js';
import { Disclosures } from './disclosures.service.js';

/** For the practice, who owes its patients the account; not for partners. */
@ApiTags('patients')
@Controller('v1/practices/:practiceId/patients/:patientId/disclosures')
@OpenToApplications()
export class DisclosuresController {
  constructor(private readonly disclosures: Disclosures) {}

  @Get()
  @ApiOperation({ summary: 'List what of a patient was disclosed to partners' })
  @ApiExtraModels(DisclosurePage, DisclosureResource)
  @ApiOkResponse({
    description:
      'What was disclosed about the patient to partners, newest first; kept for six years or more, also when the ' +
      'patient was deleted or erased. As NDJSON it is all of them in one answer, and `limit` does not count.',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(DisclosurePage) } },
      [ndjsonType]: { schema: { $ref: getSchemaPath(DisclosureResource) } },
    },
  })
  async list(
    @Req() request: FastifyRequest,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('patientId', new IdOf('patient')) patientId: string,
    @Query() query: DisclosureListQuery,
  ): Promise<Page<DisclosureResource> | StreamableFile> {
    if (!wantsNdjson(request)) return this.disclosures.list(practiceId, patientId, query);
    return ndjson(await this.disclosures.export(practiceId, patientId, query));
  }
}
